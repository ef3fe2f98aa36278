import GraphIR

/// The input broadcast with `shape`, both ways: extents of 1 on either side take the other's.
struct Expand: Operator {
  static let schema = Schema(
    "Expand", since: 13, inputs: ["input: T", "shape[1]: S"], outputs: ["output: T"],
    types: ["T": .all, "S": [.int64]])
  static let runsHalf = true
  static let movesElements = true

  init(_ attributes: Attributes) throws {}

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let data = try inputs.type(0)
    guard let shape = data.shape else { return [TensorType(data.dtype, nil)] }
    guard let wanted = inputs.ints(1) else {
      let rank = try Movement.length(inputs, 1).map { max($0, shape.count) }
      return [TensorType(data.dtype, rank.map { Movement.unknown($0) })]
    }
    guard let result = Shape.broadcast(shape, wanted.map { .known($0) }) else {
      throw DataError("\(data) does not broadcast to \(Shape.text(wanted))")
    }
    return [try Movement.limited(data.dtype, result)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    let x = try Movement.input(inputs, 0)
    guard
      Shape.broadcast(x.shape.map { .known($0) }, y.shape.map { .known($0) }) == y.shape.map({ .known($0) })
    else { throw DataError("\(Shape.text(x.shape)) does not broadcast to \(Shape.text(y.shape))") }
    StridedCopy(shape: y.shape, source: Shape.broadcastStrides(x.shape, to: y.shape))
      .run(from: x.pointer, to: y.pointer, elementSize: x.dtype.size, context.pool)
  }
}

extension Expand: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    [try context.sum(try context.gradient(), to: 0)]
  }
}
