import GraphIR

/// A copy of `data` with `updates` written at single elements: `Y[i, indices[i, j, k], k] = updates[i, j, k]`
/// (for `axis` 1), or added, multiplied, or the smaller or larger kept.
struct ScatterElements: Operator {
  static let schema = Schema(
    "ScatterElements", since: 18, inputs: ["data: T", "indices: I", "updates: T"], outputs: ["output: T"],
    types: ["T": .all, "I": .indices], attributes: ["axis": .int(0), "reduction": .string("none")])
  static let runsHalf = true
  let aliasing = Aliasing.inPlace([0])
  let axis: Int
  let reduction: ScatterReduction

  init(_ attributes: Attributes) throws {
    axis = try attributes.int("axis") ?? 0
    reduction = try ScatterReduction(attributes)
  }

  /// With `axis` and without a reduction.
  fileprivate init(old attributes: Attributes) throws {
    axis = try attributes.int("axis") ?? 0
    reduction = .none
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let indices = try inputs.type(1)
    let updates = try inputs.type(2)
    try ElementIndexing.check(try inputs.shape(0), indices.shape, axis: axis)
    guard TensorType(updates.dtype, indices.shape).agrees(with: updates) else {
      throw DataError("indices \(indices) and updates \(updates) differ in shape")
    }
    return [try inputs.type(0)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    let x = try Movement.input(inputs, 0)
    let indexTensor = try Movement.input(inputs, 1)
    let axis = try InferenceInputs.axis(self.axis, rank: x.rank)
    var offsets = try indexTensor.indices(extent: x.shape[axis], axis: axis)
    let indexing = ElementIndexing(data: x.shape, indices: indexTensor.shape, axis: axis)
    for position in offsets.indices { offsets[position] = indexing.offset(position, offsets[position]) }
    y.assign(x)
    try reduction.scatter(try Movement.input(inputs, 2), into: y, offsets, length: 1)
  }
}

/// ScatterElements under its old name, until opset 10.
struct Scatter: Operator {
  static let schema = Schema(
    "Scatter", since: 9, inputs: ["data: T", "indices: I", "updates: T"], outputs: ["output: T"],
    types: ["T": .all, "I": .indices], attributes: ["axis": .int(0)])
  static let runsHalf = true
  let aliasing = Aliasing.inPlace([0])
  let elements: ScatterElements

  init(_ attributes: Attributes) throws { elements = try ScatterElements(old: attributes) }
  func infer(_ inputs: InferenceInputs) throws -> [TensorType] { try elements.infer(inputs) }
  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    try elements.run(inputs, into: outputs, context)
  }
}

extension ScatterElements: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    guard reduction == .none || reduction == .add else {
      throw DataError("has a gradient without a reduction or with 'add' only")
    }
    let (g, d, indices) = (context.graph, try context.gradient(), context.input(1))
    let along: [String: Attribute] = ["axis": .int(axis)]
    var first: Value? = context.wants(0) ? d : nil
    if first != nil, reduction == .none {
      let zeros = try context.zeros(try context.shape(1))
      first = g.ScatterElements(d, indices, zeros, attributes: along)
    }
    return [first, nil, context.wants(2) ? g.GatherElements(d, indices, attributes: along) : nil]
  }
}
