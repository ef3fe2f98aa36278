import GraphIR

/// Y = X.
struct Identity: Operator {
  static let schema = Schema(
    "Identity", since: 1, inputs: ["input: V"], outputs: ["output: V"], types: ["V": .storable])
  static let runsHalf = true
  static let movesElements = true
  static let passesContainers = true
  let aliasing = Aliasing.view

  init(_ attributes: Attributes) throws {}

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] { [try inputs.type(0)] }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    outputs[0]?.assign(try Movement.input(inputs, 0))
  }
}

extension Identity: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] { [try context.gradient()] }
}
