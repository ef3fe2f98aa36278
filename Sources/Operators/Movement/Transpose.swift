import GraphIR

/// Axis `i` of the result is axis `perm[i]` of the input; without `perm` the axes are reversed.
struct Transpose: Operator {
  static let schema = Schema(
    "Transpose", since: 1, inputs: ["data: T"], outputs: ["transposed: T"], types: ["T": .storable],
    attributes: ["perm": .none])
  static let runsHalf = true
  static let movesElements = true
  let perm: [Int]?

  init(_ attributes: Attributes) throws {
    perm = try attributes.ints("perm")
    if let perm, perm.sorted() != Array(perm.indices) {
      throw DataError("perm \(perm) is not an order of \(perm.count) axes")
    }
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let data = try inputs.type(0)
    guard let shape = data.shape else {
      return [TensorType(data.dtype, perm.map { Movement.unknown($0.count) })]
    }
    guard let perm else { return [TensorType(data.dtype, shape.reversed())] }
    guard perm.count == shape.count else { throw DataError("perm \(perm) does not fit rank \(shape.count)") }
    return [TensorType(data.dtype, perm.map { shape[$0] })]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    let x = try Movement.input(inputs, 0)
    let order = perm ?? x.shape.indices.reversed()
    let strides = Shape.strides(x.shape)
    try Movement.check(y, is: order.map { x.shape[$0] })
    StridedCopy(shape: y.shape, source: order.map { strides[$0] })
      .run(from: x.pointer, to: y.pointer, elementSize: x.dtype.size, context.pool)
  }
}

extension Transpose: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let rank = try context.shape(0).count
    let order = perm ?? Array((0..<rank).reversed())
    var inverse = order
    for (position, axis) in order.enumerated() { inverse[axis] = position }
    return [context.transpose(try context.gradient(), inverse)]
  }
}
