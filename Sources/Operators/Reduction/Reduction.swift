import GraphIR

extension OperatorSet {
  /// The family's operators, one line each.
  static let reduction: [any Operator.Type] = [
  ]
}
