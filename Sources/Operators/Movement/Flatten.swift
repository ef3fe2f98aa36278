import GraphIR

/// A matrix: axes before `axis` become rows, the others columns.
struct Flatten: Operator {
  static let schema = Schema(
    "Flatten", since: 1, inputs: ["input: T"], outputs: ["output: T"], types: ["T": .storable],
    attributes: ["axis": .int(1)])
  static let runsHalf = true
  static let movesElements = true
  let aliasing = Aliasing.view
  let axis: Int

  init(_ attributes: Attributes) throws { axis = try attributes.int("axis") ?? 1 }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let data = try inputs.type(0)
    guard let shape = data.shape else { return [TensorType(data.dtype, Movement.unknown(2))] }
    // Unlike elsewhere the rank itself is allowed: all axes become rows.
    guard axis >= -shape.count, axis <= shape.count else {
      throw DataError("axis \(axis) is out of range for rank \(shape.count)")
    }
    let cut = axis < 0 ? axis + shape.count : axis
    return [
      TensorType(data.dtype, [shape[..<cut].reduce(1) { $0 * $1 }, shape[cut...].reduce(1) { $0 * $1 }])
    ]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    outputs[0]?.assign(try Movement.input(inputs, 0))
  }
}

extension Flatten: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    [context.reshape(try context.gradient(), try context.shape(0))]
  }
}
