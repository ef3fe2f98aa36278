import GraphIR

extension OperatorSet {
  /// The family's operators, one line each.
  static let elementwise: [any Operator.Type] = [
  ]
}
