import GraphIR

/// The middle of the input along some axes, cut or surrounded by zeros until each has its wanted extent. Of an odd
/// number, the smaller half is cut or added in front.
struct CenterCropPad: Operator {
  static let schema = Schema(
    "CenterCropPad", since: 18, inputs: ["input_data: T", "shape[1]: I"], outputs: ["output_data: T"],
    types: ["T": .all, "I": .indices], attributes: ["axes": .none])
  static let runsHalf = true
  let axes: [Int]?

  init(_ attributes: Attributes) throws { axes = try attributes.ints("axes") }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let data = try inputs.type(0)
    guard var shape = data.shape else { return [data] }
    let axes = try Movement.axes(self.axes ?? Array(shape.indices), rank: shape.count)
    let wanted = inputs.ints(1)
    if let count = try wanted?.count ?? Movement.length(inputs, 1), count != axes.count {
      throw DataError("\(count) extents do not fit \(axes.count) axes")
    }
    for (position, axis) in axes.enumerated() {
      shape[axis] = wanted.map { .known($0[position]) } ?? .unknown
    }
    return [try Movement.limited(data.dtype, shape)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0], y.count > 0 else { return }
    let x = try Movement.input(inputs, 0)
    y.pointer.initializeMemory(as: UInt8.self, repeating: 0, count: y.byteCount)
    let (from, to) = (Shape.strides(x.shape), Shape.strides(y.shape))
    let shape = zip(x.shape, y.shape).map { min($0, $1) }
    var (a, b) = (0, 0)
    for axis in shape.indices {
      a += (x.shape[axis] - shape[axis]) / 2 * from[axis]
      b += (y.shape[axis] - shape[axis]) / 2 * to[axis]
    }
    if shape.contains(0) { return }
    let size = x.dtype.size
    StridedCopy(shape: shape, source: from, target: to)
      .run(from: x.pointer + a * size, to: y.pointer + b * size, elementSize: size, context.pool)
  }
}
