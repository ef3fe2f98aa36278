import GraphIR

/// The extents of the input, or those from `start` to before `end`.
struct ShapeOperator: Operator {
  static let schema = Schema(
    "Shape", since: 15, inputs: ["data"], outputs: ["shape"],
    attributes: ["start": .int(0), "end": .none])
  static let runsHalf = true
  let start: Int
  let end: Int?

  init(_ attributes: Attributes) throws {
    start = try attributes.int("start") ?? 0
    end = try attributes.int("end")
  }

  private func range(rank: Int) -> Range<Int> {
    func clamp(_ axis: Int) -> Int { min(max(axis < 0 ? axis + rank : axis, 0), rank) }
    let first = clamp(start)
    return first..<max(first, end.map(clamp) ?? rank)
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let rank = try inputs.type(0).rank
    return [TensorType(.int64, [rank.map { .known(range(rank: $0).count) } ?? .unknown])]
  }

  func knownOutputs(_ inputs: InferenceInputs) -> [Tensor]? {
    guard let shape = inputs.types.first??.shape else { return nil }
    var extents: [Int64] = []
    for dim in shape[range(rank: shape.count)] {
      guard let value = dim.value else { return nil }
      extents.append(Int64(value))
    }
    return [Tensor(extents, shape: [extents.count])]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    let shape = try Movement.input(inputs, 0).shape
    let extents = shape[range(rank: shape.count)].map { Int64($0) }
    outputs[0]?.assign(Tensor(extents, shape: [extents.count]))
  }
}

/// The number of elements of the input.
struct SizeOperator: Operator {
  static let schema = Schema("Size", since: 1, inputs: ["data"], outputs: ["size"])
  static let runsHalf = true

  init(_ attributes: Attributes) throws {}

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] { [TensorType(.int64, [Int]())] }

  func knownOutputs(_ inputs: InferenceInputs) -> [Tensor]? {
    guard let shape = inputs.types.first??.concreteShape, let count = Shape.checkedCount(shape) else {
      return nil
    }
    return [Tensor(scalar: Int64(count))]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    outputs[0]?.assign(Tensor(scalar: Int64(try Movement.input(inputs, 0).count)))
  }
}
