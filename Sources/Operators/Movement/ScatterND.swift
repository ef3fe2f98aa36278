import GraphIR

/// A copy of `data` with slices written (or added, multiplied, the smaller or larger kept) at index tuples.
struct ScatterND: Operator {
  static let schema = Schema(
    "ScatterND", since: 18, inputs: ["data: T", "indices: I", "updates: T"], outputs: ["output: T"],
    types: ["T": .all, "I": [.int64]], attributes: ["reduction": .string("none")])
  static let runsHalf = true
  let aliasing = Aliasing.inPlace([0])
  let reduction: ScatterReduction

  init(_ attributes: Attributes) throws { reduction = try ScatterReduction(attributes) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let data = try inputs.type(0)
    guard let shape = data.shape, let indices = try inputs.shape(1) else { return [data] }
    guard let last = indices.last else { throw DataError("indices have rank 0") }
    guard let depth = last.value else { return [data] }
    guard depth >= 1, depth <= shape.count else {
      throw DataError("index tuples of \(depth) do not fit rank \(shape.count)")
    }
    let needed = TensorType(data.dtype, indices.dropLast() + shape[depth...])
    let updates = try inputs.type(2)
    guard needed.agrees(with: updates) else {
      throw DataError("updates are \(updates) where \(needed) is needed")
    }
    return [data]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    let x = try Movement.input(inputs, 0)
    let tuples = try TupleIndexing(try Movement.input(inputs, 1), data: x.shape, batchDims: 0)
    y.assign(x)
    try reduction.scatter(
      try Movement.input(inputs, 2), into: y, tuples.offsets, length: tuples.length)
  }
}

extension ScatterND: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    guard reduction == .none || reduction == .add else {
      throw DataError("has a gradient without a reduction or with 'add' only")
    }
    let (g, d, indices) = (context.graph, try context.gradient(), context.input(1))
    var first: Value? = context.wants(0) ? d : nil
    if first != nil, reduction == .none {
      first = g.ScatterND(d, indices, try context.zeros(try context.shape(2)))
    }
    return [first, nil, context.wants(2) ? g.GatherND(d, indices) : nil]
  }
}
