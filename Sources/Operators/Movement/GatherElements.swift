import GraphIR

/// `Y[i, j, k] = data[i, indices[i, j, k], k]` (for `axis` 1): one index per element of the result.
struct GatherElements: Operator {
  static let schema = Schema(
    "GatherElements", since: 13, inputs: ["data: T", "indices: I"], outputs: ["output: T"],
    types: ["T": .all, "I": .indices], attributes: ["axis": .int(0)])
  static let runsHalf = true
  let axis: Int

  init(_ attributes: Attributes) throws { axis = try attributes.int("axis") ?? 0 }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let data = try inputs.shape(0)
    let indices = try inputs.shape(1)
    try ElementIndexing.check(data, indices, axis: axis)
    return [TensorType(try inputs.dtype(0), indices)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    let x = try Movement.input(inputs, 0)
    let axis = try InferenceInputs.axis(self.axis, rank: x.rank)
    let indexTensor = try Movement.input(inputs, 1)
    try Movement.check(y, is: indexTensor.shape)
    let indices = try indexTensor.indices(extent: x.shape[axis], axis: axis)
    let indexing = ElementIndexing(data: x.shape, indices: indexTensor.shape, axis: axis)
    indices.withUnsafeBufferPointer { indices in
      RowCopy.gather(
        from: x.pointer, to: y.pointer, count: y.count, length: 1, elementSize: x.dtype.size, context.pool
      ) { indexing.offset($0, indices[$0]) }
    }
  }
}

/// Where in the data an element of an index tensor of the same rank points.
struct ElementIndexing {
  /// Extents of the indices and steps of the data, innermost first; the step is 0 on the indexed axis.
  private let extents, steps: [Int]
  private let step: Int

  init(data: [Int], indices: [Int], axis: Int) {
    var strides = Shape.strides(data)
    step = strides[axis]
    strides[axis] = 0
    extents = indices.reversed()
    steps = strides.reversed()
  }

  /// The offset in the data for the element at flat `position` of the indices, which holds `index`.
  func offset(_ position: Int, _ index: Int) -> Int {
    var rest = position
    var offset = index * step
    for axis in extents.indices {
      offset += rest % extents[axis] * steps[axis]
      rest /= extents[axis]
    }
    return offset
  }

  /// - Throws: `DataError` when the ranks differ or the indices reach beyond the data on another axis.
  static func check(_ data: [Dim]?, _ indices: [Dim]?, axis: Int) throws {
    guard let data else { return }
    let axis = try InferenceInputs.axis(axis, rank: data.count)
    guard let indices else { return }
    guard indices.count == data.count else {
      throw DataError("data has rank \(data.count), indices have rank \(indices.count)")
    }
    for i in data.indices where i != axis {
      if let most = data[i].value, let extent = indices[i].value, extent > most {
        throw DataError("indices have extent \(extent) on axis \(i), the data only \(most)")
      }
    }
  }
}

extension GatherElements: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    try context.requireOpset(16)
    return [
      context.graph.ScatterElements(
        try context.zeros(try context.shape(0)), context.input(1), try context.gradient(),
        attributes: ["axis": .int(axis), "reduction": .string("add")])
    ]
  }
}
