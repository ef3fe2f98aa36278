import GraphIR

extension OperatorSet {
  /// The family's operators, one line each.
  static let matrix: [any Operator.Type] = [
    Gemm.self,
    MatMul.self,
    Einsum.self,
    Det.self,
    Linear.self,
    Conv.self,
    ConvTranspose.self,
    Attention.self,
    RotaryEmbedding.self,
    FlexAttention.self,
    LinearAttention.self,
    CausalConvWithState.self,
    AttentionWithLogSumExp.self,
    AttentionGradient.self,
  ]
}
