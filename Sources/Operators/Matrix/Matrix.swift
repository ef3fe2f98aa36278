import GraphIR

extension OperatorSet {
  /// The family's operators, one line each.
  static let matrix: [any Operator.Type] = [
    Gemm.self,
    MatMul.self,
    Linear.self,
    Conv.self,
    ConvTranspose.self,
    Attention.self,
    AttentionWithLogSumExp.self,
  ]
}
