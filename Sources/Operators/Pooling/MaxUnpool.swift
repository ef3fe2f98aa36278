import GraphIR

/// Puts elements back where MaxPool found them; every other element is 0.
///
/// Indices count through the shape that the attributes imply. With `output_shape` the result has that shape, and
/// elements keep their coordinates.
struct MaxUnpool: Operator {
  static let schema = Schema(
    "MaxUnpool", since: 22, inputs: ["X: T1", "I: T2", "output_shape[1]?: T2"], outputs: ["output: T1"],
    types: ["T1": .floats, "T2": [.int64]],
    attributes: ["kernel_shape": .none, "pads": .none, "strides": .none])

  let window: PoolWindow

  init(_ attributes: Attributes) throws { window = try PoolWindow(attributes) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let dtype = try inputs.dtype(0)
    guard let x = try inputs.shape(0) else { return [TensorType(dtype, nil as [Dim]?)] }
    let implied = try shape(x)
    guard inputs.has(2) else { return [TensorType(dtype, implied)] }
    guard let given = inputs.ints(2) else { return [TensorType(dtype, x.map { _ in Dim.unknown })] }
    guard given.count == x.count, given.allSatisfy({ $0 >= 0 }) else {
      throw DataError("output_shape \(Shape.text(given)) does not fit an input of rank \(x.count)")
    }
    return [TensorType(dtype, given)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let indices = inputs[1], let y = outputs[0] else { return }
    guard indices.shape == x.shape else {
      throw DataError("indices \(Shape.text(indices.shape)) differ from the input \(Shape.text(x.shape))")
    }
    guard let implied = TensorType(x.dtype, try shape(x.shape.map { .known($0) })).concreteShape,
      let limit = Shape.checkedCount(implied)
    else { throw DataError("the implied shape is too large") }
    let strides = Shape.strides(y.shape)
    let places = try indices.array(of: Int64.self).map { index in
      guard index >= 0, index < limit else { throw DataError("index \(index) is out of 0..<\(limit)") }
      var rest = Int(index)
      var place = 0
      for axis in implied.indices.reversed() {
        let coordinate = rest % implied[axis]
        guard coordinate < y.shape[axis] else {
          throw DataError("index \(index) is outside of the output \(Shape.text(y.shape))")
        }
        place += coordinate * strides[axis]
        rest /= implied[axis]
      }
      return place
    }
    y.pointer.initializeMemory(as: UInt8.self, repeating: 0, count: y.byteCount)
    let size = x.dtype.size
    for (element, place) in places.enumerated() {
      (y.pointer + place * size).copyMemory(from: x.pointer + element * size, byteCount: size)
    }
  }

  private func shape(_ x: [Dim]) throws -> [Dim] {
    let kernel = window.kernel
    guard x.count == kernel.count + 2 else {
      throw DataError("the input has rank \(x.count), kernel_shape is for \(kernel.count) spatial axes")
    }
    return try [x[0], x[1]]
      + kernel.indices.map { axis in
        guard let extent = x[axis + 2].value else { return .unknown }
        guard extent <= Int(Int32.max) else { throw DataError("a spatial axis has extent \(extent)") }
        let pads = window.window.pads
        let stride = window.window.strides?[axis] ?? 1
        let padding = (pads?[axis] ?? 0) + (pads?[kernel.count + axis] ?? 0)
        let output = (extent - 1) * stride - padding + kernel[axis]
        guard output >= 0 else { throw DataError("spatial axis \(axis) would have extent \(output)") }
        return .known(output)
      }
  }
}
