import GraphIR

/// Slices of the input at index tuples: the last axis of `indices` holds a tuple for the axes that follow the
/// `batch_dims` common ones.
struct GatherND: Operator {
  static let schema = Schema(
    "GatherND", since: 13, inputs: ["data: T", "indices: I"], outputs: ["output: T"],
    types: ["T": .all, "I": [.int64]], attributes: ["batch_dims": .int(0)])
  static let runsHalf = true
  let batchDims: Int

  init(_ attributes: Attributes) throws {
    batchDims = try attributes.int("batch_dims") ?? 0
    guard batchDims >= 0 else { throw DataError("batch_dims is \(batchDims)") }
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let dtype = try inputs.dtype(0)
    guard let data = try inputs.shape(0), let indices = try inputs.shape(1) else {
      return [TensorType(dtype, nil)]
    }
    guard indices.count > batchDims, data.count > batchDims else {
      throw DataError("batch_dims \(batchDims) does not fit ranks \(data.count) and \(indices.count)")
    }
    for axis in 0..<batchDims where !data[axis].agrees(with: indices[axis]) {
      throw DataError("extents \(data[axis]) and \(indices[axis]) of batch axis \(axis) differ")
    }
    guard let depth = indices[indices.count - 1].value else { return [TensorType(dtype, nil)] }
    guard depth >= 1, batchDims + depth <= data.count else {
      throw DataError("index tuples of \(depth) do not fit rank \(data.count) with batch_dims \(batchDims)")
    }
    return [try Movement.limited(dtype, indices.dropLast() + data[(batchDims + depth)...])]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    let x = try Movement.input(inputs, 0)
    let tuples = try TupleIndexing(
      try Movement.input(inputs, 1), data: x.shape, batchDims: batchDims)
    if y.count == 0 { return }
    RowCopy.gather(
      from: x.pointer, to: y.pointer, count: tuples.offsets.count, length: tuples.length,
      elementSize: x.dtype.size, context.pool
    ) { tuples.offsets[$0] }
  }
}

/// Index tuples turned into offsets of slices.
struct TupleIndexing {
  /// Offset of each tuple's slice, in elements.
  let offsets: [Int]
  /// Elements in a slice.
  let length: Int

  /// - Throws: `DataError` that names the first index out of range.
  init(_ tensor: Tensor, data: [Int], batchDims: Int) throws {
    guard let depth = tensor.shape.last, depth >= 1, batchDims + depth <= data.count else {
      throw DataError("index tuples \(Shape.text(tensor.shape)) do not fit data \(Shape.text(data))")
    }
    let strides = Shape.strides(data)
    let values = try tensor.integers()
    let tuples = Shape.count(Array(tensor.shape.dropLast()))
    let perBatch = Shape.count(Array(tensor.shape[batchDims..<(tensor.rank - 1)]))
    let batchStep = batchDims > 0 ? strides[batchDims - 1] : 0
    length = strides[batchDims + depth - 1]
    var offsets = [Int](repeating: 0, count: tuples)
    for tuple in 0..<tuples {
      var offset = perBatch == 0 ? 0 : tuple / perBatch * batchStep
      for position in 0..<depth {
        let axis = batchDims + position
        let index = values[tuple * depth + position]
        guard index >= -data[axis], index < data[axis] else {
          throw DataError("index \(index) is out of range for axis \(axis) of extent \(data[axis])")
        }
        offset += (index < 0 ? index + data[axis] : index) * strides[axis]
      }
      offsets[tuple] = offset
    }
    self.offsets = offsets
  }
}

extension GatherND: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    try context.requireOpset(16)
    return [
      context.graph.ScatterND(
        try context.zeros(try context.shape(0)), try tuples(context), try context.gradient(),
        attributes: ["reduction": .string("add")])
    ]
  }

  /// The index tuples with the places in the common axes in front.
  private func tuples(_ context: GradientContext) throws -> Value {
    guard batchDims > 0 else { return context.input(1) }
    let shape = try context.shape(1).dropLast()
    let strides = Shape.strides(Array(shape))
    let places = (0..<Shape.count(Array(shape))).flatMap { place in
      (0..<batchDims).map { Int64(place / strides[$0] % shape[$0]) }
    }
    let grid = context.graph.constant(Tensor(places, shape: shape + [batchDims]), "places")
    return context.graph.Concat(grid, context.input(1), attributes: ["axis": .int(shape.count)])
  }
}
