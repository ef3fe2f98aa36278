import GraphIR

/// Y = X, made once the further inputs are there: what uses Y instead of X is not computed before them, and is not
/// the same as what uses X. An operator of our own domain.
struct After: Operator {
  static let schema = Schema(
    "After", domain: "dsd", since: 1, inputs: ["X: T", "after*?"], outputs: ["Y: T"], types: ["T": .storable])
  static let runsHalf = true
  static let movesElements = true
  let aliasing = Aliasing.view

  init(_ attributes: Attributes) throws {}

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] { [try inputs.type(0)] }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    outputs[0]?.assign(try Movement.input(inputs, 0))
  }
}

extension After: ComposedOperator {
  func body(_ call: Composition) throws -> [Value?] { [call.g.Identity(try call.input(0))] }
}
