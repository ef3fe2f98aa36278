import GraphIR

extension OperatorSet {
  /// The family's operators, one line each.
  static let pooling: [any Operator.Type] = [
    AveragePool.self,
    MaxPool.self,
    LpPool.self,
    GlobalAveragePool.self,
    GlobalMaxPool.self,
    GlobalLpPool.self,
    MaxUnpool.self,
  ]
}
