import GraphIR

/// output = X where the condition holds, else Y, all three broadcast. Moves bytes: any element type.
struct Where: Operator {
  static let schema = Schema(
    "Where", since: 16, inputs: ["condition: B", "X: T", "Y: T"], outputs: ["output: T"],
    types: ["B": [.bool], "T": .all])
  static let runsHalf = true
  static let movesElements = true

  init(_ attributes: Attributes) {}

  var aliasing: Aliasing { .inPlace([1, 2]) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let shape = try Elementwise.broadcast([inputs.shape(0), inputs.shape(1), inputs.shape(2)])
    return [TensorType(try inputs.dtype(1), shape)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let condition = inputs[0], let x = inputs[1], let y = inputs[2], let output = outputs[0]
    else { return }
    SelectKernel.run(condition, x, y, output, context.pool)
  }
}

extension Where: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let (g, d, condition) = (context.graph, try context.gradient(), context.input(0))
    let zero = g.constant(Tensor(scalar: 0.0).converted(to: try context.dtype(1)), "number")
    return [
      nil, context.wants(1) ? try context.sum(g.Where(condition, d, zero), to: 1) : nil,
      context.wants(2) ? try context.sum(g.Where(condition, zero, d), to: 2) : nil,
    ]
  }
}
