import GraphIR

/// The input repeated along each axis.
struct Tile: Operator {
  static let schema = Schema(
    "Tile", since: 13, inputs: ["input: T", "repeats[1]: S"], outputs: ["output: T"],
    types: ["T": .all, "S": [.int64]])
  static let runsHalf = true
  static let movesElements = true

  init(_ attributes: Attributes) throws {}

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let data = try inputs.type(0)
    guard let repeats = inputs.ints(1) else {
      let rank = try data.rank ?? Movement.length(inputs, 1)
      return [TensorType(data.dtype, rank.map { Movement.unknown($0) })]
    }
    guard let shape = data.shape else { return [TensorType(data.dtype, Movement.unknown(repeats.count))] }
    guard repeats.count == shape.count else {
      throw DataError("\(repeats.count) repeats do not fit rank \(shape.count)")
    }
    if let bad = repeats.first(where: { $0 < 0 }) { throw DataError("repeat \(bad) is negative") }
    return [
      try Movement.limited(
        data.dtype, try zip(shape, repeats).map { try Tile.product($0, $1, data) })
    ]
  }

  private static func product(_ extent: Dim, _ times: Int, _ data: TensorType) throws -> Dim {
    if times == 0 { return 0 }
    guard let value = extent.value else { return times == 1 ? extent : .unknown }
    let (product, overflow) = value.multipliedReportingOverflow(by: times)
    guard !overflow else { throw DataError("\(times) repeats of \(data) are too large") }
    return .known(product)
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    let x = try Movement.input(inputs, 0)
    let repeats = try Movement.ints(inputs, 1) ?? []
    try Movement.check(y, is: zip(x.shape, repeats).map { $0 * $1 })
    let strides = Shape.strides(x.shape)
    // Each axis is two: which repeat (step 0), and where in it.
    StridedCopy(
      shape: zip(repeats, x.shape).flatMap { [$0, $1] }, source: strides.flatMap { [0, $0] }
    ).run(from: x.pointer, to: y.pointer, elementSize: x.dtype.size, context.pool)
  }
}

extension Tile: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let shape = try context.shape(0)
    guard let repeats = try context.ints(1) else { return [nil] }
    let parted = context.reshape(try context.gradient(), zip(repeats, shape).flatMap { [$0, $1] })
    return [context.sum(parted, shape.indices.map { 2 * $0 }, keepsDims: false)]
  }
}
