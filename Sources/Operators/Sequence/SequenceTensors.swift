import GraphIR

/// A tensor cut along an axis: into pieces of one extent or of the given ones, or into its slices.
struct SplitToSequence: ValueOperator {
  static let schema = Schema(
    "SplitToSequence", since: 11, inputs: ["input: T", "split?: I"], outputs: ["output_sequence"],
    types: ["T": .storable, "I": .indices], attributes: ["axis": .int(0), "keepdims": .int(1)])
  private let axis: Int
  private let keepsAxis: Bool

  init(_ attributes: Attributes) throws {
    axis = try attributes.int("axis") ?? 0
    keepsAxis = try attributes.bool("keepdims")
  }

  func infer(_ inputs: InferenceInputs, body: BodyTypes) throws -> [TensorType?] {
    if inputs.has(0), let rank = try inputs.type(0).rank { _ = try InferenceInputs.axis(axis, rank: rank) }
    return [nil]
  }

  func containers(_ inputs: InferenceInputs) -> [ContainerType?] {
    [ContainerType(.sequence, of: (inputs.types.first ?? nil).map { TensorType($0.dtype, nil) })]
  }

  func run(_ inputs: [RuntimeValue?], _ pool: ThreadPool, body: BodyRun) throws -> [RuntimeValue] {
    let x = try Flow.tensor(inputs, 0, "input")
    let axis = try InferenceInputs.axis(self.axis, rank: x.rank)
    let hasSplit = inputs.count > 1 && inputs[1] != nil
    let extents = try hasSplit ? pieces(Flow.tensor(inputs, 1, "split"), x.shape[axis]) : nil
    // Rows of the tensor with the axis in front, so that pieces are ranges.
    let slices = Flow.slices(x, axis: axis)
    guard let extents else {
      return [
        .sequence(slices.map { $0.copy().reshaped(keepsAxis ? shape(x, axis, 1) : $0.shape) })
      ]
    }
    var start = 0
    return [
      .sequence(
        try extents.map { extent in
          let part = Array(slices[start..<start + extent])
          start += extent
          guard !part.isEmpty else { return Tensor(x.dtype, shape(x, axis, 0)) }
          return Flow.movingFirstAxis(try Flow.stacked(part, of: ValueInfo("split", nil)), to: axis)
        })
    ]
  }

  private func shape(_ x: Tensor, _ axis: Int, _ extent: Int) -> [Int] {
    var shape = x.shape
    shape[axis] = extent
    return shape
  }

  /// The pieces' extents: a list, or one number, whose last piece may be smaller.
  private func pieces(_ split: Tensor, _ extent: Int) throws -> [Int] {
    let numbers = try Movement.ints([split], 0) ?? []
    if split.rank == 0, let size = numbers.first {
      guard size > 0 else { throw DataError("pieces of \(size) are not possible") }
      return stride(from: 0, to: extent, by: size).map { min(size, extent - $0) }
    }
    guard numbers.allSatisfy({ (0...extent).contains($0) }), numbers.reduce(0, +) == extent else {
      throw DataError("the pieces \(numbers.prefix(20)) do not make up the extent \(extent)")
    }
    return numbers
  }
}

/// The tensors of a sequence one after another along an axis, which is new if asked for.
struct ConcatFromSequence: ValueOperator {
  static let schema = Schema(
    "ConcatFromSequence", since: 11, inputs: ["input_sequence"], outputs: ["concat_result"],
    attributes: ["axis": .none, "new_axis": .int(0)])
  private let axis: Int
  private let isNew: Bool

  init(_ attributes: Attributes) throws {
    axis = try attributes.required("axis", attributes.int("axis"))
    isNew = try attributes.bool("new_axis")
  }

  func infer(_ inputs: InferenceInputs, body: BodyTypes) throws -> [TensorType?] {
    [try inputs.element(0, of: .sequence).map { TensorType($0.dtype, nil) }]
  }

  func run(_ inputs: [RuntimeValue?], _ pool: ThreadPool, body: BodyRun) throws -> [RuntimeValue] {
    let sequence = try Sequences.sequence(inputs, 0, "input_sequence")
    guard let first = sequence.first else {
      throw DataError("an empty sequence has no tensors to concatenate")
    }
    let axis = try InferenceInputs.axis(self.axis, rank: first.rank + (isNew ? 1 : 0))
    guard sequence.allSatisfy({ $0.rank == first.rank && $0.dtype == first.dtype }) else {
      throw DataError("the sequence's tensors differ in rank or type")
    }
    let rows = isNew ? sequence : sequence.flatMap { Flow.slices($0, axis: axis) }
    if rows.isEmpty { return [.tensor(first.copy())] }
    let stacked = try Flow.stacked(rows, of: ValueInfo("concat_result", nil))
    return [.tensor(Flow.movingFirstAxis(stacked, to: axis))]
  }
}
