import GraphIR

/// Rows of the input along `axis`: `Y[…, i…, …] = data[…, indices[i…], …]`.
struct Gather: Operator {
  static let schema = Schema(
    "Gather", since: 13, inputs: ["data: T", "indices: I"], outputs: ["output: T"],
    types: ["T": .all, "I": .indices], attributes: ["axis": .int(0)])
  static let runsHalf = true
  static let movesElements = true
  let axis: Int

  init(_ attributes: Attributes) throws { axis = try attributes.int("axis") ?? 0 }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let dtype = try inputs.dtype(0)
    guard let data = try inputs.shape(0) else { return [TensorType(dtype, nil)] }
    let axis = try InferenceInputs.axis(self.axis, rank: data.count)
    guard let indices = try inputs.shape(1) else { return [TensorType(dtype, nil)] }
    return [try Movement.limited(dtype, data[..<axis] + indices + data[(axis + 1)...])]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    let x = try Movement.input(inputs, 0)
    let axis = try InferenceInputs.axis(self.axis, rank: x.rank)
    let extent = x.shape[axis]
    let indexTensor = try Movement.input(inputs, 1)
    let indices = try indexTensor.indices(extent: extent, axis: axis)
    try Movement.check(y, is: x.shape[..<axis] + indexTensor.shape + x.shape[(axis + 1)...])
    if y.count == 0 { return }
    let outer = Shape.count(Array(x.shape[..<axis]))
    let length = Shape.count(Array(x.shape[(axis + 1)...]))
    let count = indices.count
    indices.withUnsafeBufferPointer { indices in
      RowCopy.gather(
        from: x.pointer, to: y.pointer, count: outer * count, length: length, elementSize: x.dtype.size,
        context.pool
      ) { row in
        let block = row / count
        return (block &* extent &+ indices[row &- block &* count]) &* length
      }
    }
  }
}

extension Gather: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    try context.requireOpset(16)
    let g = context.graph
    let (shape, indices) = (try context.shape(0), try context.shape(1))
    let axis = try InferenceInputs.axis(self.axis, rank: shape.count)
    let (count, rank) = (indices.count, shape.count)
    // The gathered axis to the front, for the tensor and for the rows that were taken from it.
    let front = [axis] + (0..<rank).filter { $0 != axis }
    let taken = Array(axis..<axis + count)
    let order = taken + (0..<rank + count - 1).filter { !taken.contains($0) }
    let rows = context.transpose(try context.gradient(), order)
    let tuples = g.Cast(
      context.reshape(context.input(1), indices + [1]), attributes: ["to": .int(Int(DType.int64.rawValue))])
    let sum = g.ScatterND(
      try context.zeros(front.map { shape[$0] }), tuples, rows, attributes: ["reduction": .string("add")])
    var back = front
    for (position, axis) in front.enumerated() { back[axis] = position }
    return [context.transpose(sum, back)]
  }
}
