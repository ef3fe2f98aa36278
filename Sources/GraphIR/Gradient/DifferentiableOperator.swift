/// An operator that states its gradient in terms of operators.
///
/// Outputs that are no floating-point numbers (shapes, indices, truth values) carry no gradient and need no
/// statement. An operator that is flat wherever it is smooth, such as Floor, gives nil.
public protocol DifferentiableOperator: Operator {
  /// Emits nodes that compute, for every input, the gradient of a number L: ∂L/∂input, of the input's shape,
  /// from the outputs' ∂L/∂output.
  /// - Returns: a value for each input, nil where it is zero or not wanted; trailing nils may be left out.
  /// - Throws: `DataError` where a form of the operator has no gradient. The caller adds the node.
  func gradient(_ context: GradientContext) throws -> [Value?]
}
