import GraphIR

/// Parts of the input along `axis`: of the sizes that `split` lists, or equal ones (the last one may be
/// smaller where `num_outputs` says how many).
struct Split: Operator {
  static let schema = Schema(
    "Split", since: 13, inputs: ["input: T", "split?: S"], outputs: ["outputs*: T"],
    types: ["T": .all, "S": [.int64]],
    attributes: ["axis": .int(0), "split": .none, "num_outputs": .none])
  static let runsHalf = true
  static let movesElements = true
  let axis: Int
  let split: [Int]?
  let count: Int
  let unevenAllowed: Bool

  init(_ attributes: Attributes) throws {
    axis = try attributes.int("axis") ?? 0
    split = try attributes.ints("split", before: 13)
    let asked = try attributes.int("num_outputs")
    unevenAllowed = asked != nil
    count = attributes.outputCount
    if let asked, asked != count {
      throw DataError("num_outputs is \(asked), the node has \(count) outputs")
    }
    guard count > 0 else { throw DataError("has no outputs") }
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let data = try inputs.type(0)
    guard var shape = data.shape else {
      return [TensorType](repeating: TensorType(data.dtype, nil), count: count)
    }
    let axis = try InferenceInputs.axis(self.axis, rank: shape.count)
    let given = split ?? inputs.ints(1)
    let extent = shape[axis].value
    var sizes = Movement.unknown(count)
    if let given, extent == nil {
      try check(given)
      sizes = given.map { .known($0) }
    } else if let extent, given != nil || !inputs.has(1) {
      sizes = try self.sizes(extent, given).map { .known($0) }
    }
    return sizes.map {
      shape[axis] = $0
      return TensorType(data.dtype, shape)
    }
  }

  private func check(_ given: [Int]) throws {
    guard given.count == count else {
      throw DataError("split \(given) has \(given.count) parts for \(count) outputs")
    }
    if given.contains(where: { $0 < 0 }) { throw DataError("split \(given) holds a negative size") }
  }

  private func sizes(_ extent: Int, _ given: [Int]?) throws -> [Int] {
    if let given {
      try check(given)
      let sum = given.reduce(0) { $0.addingReportingOverflow($1).partialValue }
      guard sum == extent, given.allSatisfy({ $0 <= extent }) else {
        throw DataError("split \(given) does not add up to the extent \(extent) of axis \(axis)")
      }
      return given
    }
    guard unevenAllowed || extent % count == 0 else {
      throw DataError("extent \(extent) of axis \(axis) cannot be split into \(count) equal parts")
    }
    let size = (extent + count - 1) / count
    return (0..<count).map { max(0, min(size, extent - $0 * size)) }
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    let x = try Movement.input(inputs, 0)
    let axis = try InferenceInputs.axis(self.axis, rank: x.rank)
    let sizes = try self.sizes(x.shape[axis], split ?? Movement.ints(inputs, 1))
    let outer = Shape.count(Array(x.shape[..<axis]))
    let inner = Shape.count(Array(x.shape[(axis + 1)...]))
    let width = x.shape[axis] * inner
    var offset = 0
    for (position, size) in sizes.enumerated() {
      if position < outputs.count, let y = outputs[position] {
        var shape = x.shape
        shape[axis] = size
        try Movement.check(y, is: shape)
        StridedCopy(shape: [outer, size * inner], source: [width, 1]).run(
          from: x.pointer + offset * x.dtype.size, to: y.pointer, elementSize: x.dtype.size, context.pool)
      }
      offset += size * inner
    }
  }
}

extension Split: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let parts = try context.node.outputs.indices.map { position in
      try context.outputGradient(position) ?? context.zeros(try context.outputShape(position))
    }
    return [context.graph.emit("Concat", parts, ["axis": .int(axis)])[0]]
  }
}
