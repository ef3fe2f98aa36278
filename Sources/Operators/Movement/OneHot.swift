import GraphIR

/// `values[1]` where a new axis of extent `depth` meets the index, `values[0]` elsewhere. Negative indices
/// count from the end; indices out of range mark nothing.
struct OneHot: Operator {
  static let schema = Schema(
    "OneHot", since: 11, inputs: ["indices: T1", "depth: T2", "values[1]: T3"], outputs: ["output: T3"],
    types: ["T1": .numbers, "T2": .numbers, "T3": .all], attributes: ["axis": .int(-1)])
  static let runsHalf = true
  let axis: Int

  init(_ attributes: Attributes) throws { axis = try attributes.int("axis") ?? -1 }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    if let depth = try inputs.shape(1), depth.contains(where: { $0.value ?? 1 != 1 }) || depth.count > 1 {
      throw DataError("depth is \(try inputs.type(1)), one number is needed")
    }
    let dtype = try inputs.dtype(2)
    if let values = inputs.constant(2), values.count != 2 {
      throw DataError("values have \(values.count) elements, 2 are needed")
    }
    guard var shape = try inputs.shape(0) else { return [TensorType(dtype, nil)] }
    let axis = try InferenceInputs.axis(self.axis, rank: shape.count + 1)
    var depth = Dim.unknown
    if let given = inputs.ints(1) {
      guard given.count == 1, given[0] > 0 else {
        throw DataError("depth \(given) is not one positive number")
      }
      depth = .known(given[0])
    }
    shape.insert(depth, at: axis)
    return [try Movement.limited(dtype, shape)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    let indices = try Movement.input(inputs, 0).converted(to: .int64)
    let values = try Movement.input(inputs, 2)
    guard values.count == 2 else { throw DataError("values have \(values.count) elements, 2 are needed") }
    let axis = try InferenceInputs.axis(self.axis, rank: y.rank)
    let depth = Int64(y.shape[axis])
    let inner = Shape.count(Array(y.shape[(axis + 1)...]))
    guard y.count == indices.count * Int(depth) else {
      throw DataError("indices \(Shape.text(indices.shape)) do not fit output \(Shape.text(y.shape))")
    }
    y.fill(with: values)
    let size = y.dtype.size
    let list = indices.pointer(as: Int64.self)
    for position in 0..<indices.count {
      let index = list[position]
      guard index >= -depth, index < depth else { continue }
      let row = Int(index < 0 ? index + depth : index)
      let place = (position / inner * Int(depth) + row) * inner + position % inner
      (y.pointer + place * size).copyMemory(from: values.pointer + size, byteCount: size)
    }
  }
}
