import GraphIR

/// The slices along `axis` (the elements of the flattened input without it) whose condition is true.
struct Compress: Operator {
  static let schema = Schema(
    "Compress", since: 11, inputs: ["input: T", "condition: B"], outputs: ["output: T"],
    types: ["T": .all, "B": [.bool]], attributes: ["axis": .none])
  static let runsHalf = true
  let axis: Int?

  init(_ attributes: Attributes) throws { axis = try attributes.int("axis") }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let data = try inputs.type(0)
    let count = inputs.constant(1).map { Dim.known(NonZero.positions($0).count) } ?? .unknown
    guard let axis else { return [TensorType(data.dtype, [count])] }
    guard var shape = data.shape else { return [TensorType(data.dtype, nil)] }
    shape[try InferenceInputs.axis(axis, rank: shape.count)] = count
    return [TensorType(data.dtype, shape)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    let data = try Movement.input(inputs, 0)
    let x = axis == nil ? data.reshaped([data.count]) : data
    let axis = try InferenceInputs.axis(self.axis ?? 0, rank: x.rank)
    let kept = NonZero.positions(try Movement.input(inputs, 1))
    let extent = x.shape[axis]
    if let last = kept.last, last >= extent {
      throw DataError("condition \(last) is true, axis \(axis) has extent \(extent)")
    }
    var shape = x.shape
    shape[axis] = kept.count
    try Movement.check(y, is: shape)
    let length = Shape.count(Array(x.shape[(axis + 1)...]))
    if y.count == 0 { return }
    RowCopy.gather(
      from: x.pointer, to: y.pointer, count: y.count / length, length: length, elementSize: x.dtype.size,
      context.pool
    ) { ($0 / kept.count * extent + kept[$0 % kept.count]) * length }
  }
}
