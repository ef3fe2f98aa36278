import GraphIR

// A resize is a linear map of each axis. Its transpose is a sum over copies where every element was copied as often,
// and otherwise a product with the matrix of the map.
extension Resize: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    guard method.coordinates != .cropAndResize else { throw DataError("has no gradient when it crops") }
    let (shape, output) = (try context.shape(0), try context.outputShape())
    let inputs = try context.node.inputs.indices.map { $0 == 0 ? nil : try context.constant($0) }
    let plan = try plan(inputs, from: shape, to: output)
    var (d, current) = (try context.gradient(), output)
    for axis in shape.indices.reversed() where !plan[axis].isIdentity {
      let matrix = try self.matrix(plan[axis])
      if let copies = Resize.copies(matrix, plan[axis]) {
        let parted = context.reshape(d, current[..<axis] + [shape[axis], copies] + current[(axis + 1)...])
        d = context.sum(parted, [axis + 1], keepsDims: false)
      } else {
        d = try multiplied(context, d, current, axis, matrix)
      }
      current[axis] = shape[axis]
    }
    return [d]
  }

  /// The map of an axis, `[input, output]`.
  private func matrix(_ axis: ResizeAxis) throws -> Tensor {
    var unit = [Float](repeating: 0, count: axis.input * axis.input)
    for i in 0..<axis.input { unit[i * axis.input + i] = 1 }
    let result = Tensor(.float32, [axis.input, axis.output])
    let rows = ResizeAxis(method: method, input: axis.input, output: axis.input, scale: 1)
    try Resizer(method: method, axes: [rows, axis])
      .run(Tensor(unit, shape: [axis.input, axis.input]), result, ThreadPool(threads: 1))
    return result
  }

  /// How often each element is copied, one copy after the other; nil where that is not all that happens.
  private static func copies(_ matrix: Tensor, _ axis: ResizeAxis) -> Int? {
    guard axis.input > 0, axis.output % axis.input == 0 else { return nil }
    let copies = axis.output / axis.input
    let elements = matrix.array(of: Float.self)
    for i in 0..<axis.input {
      for j in 0..<axis.output where elements[i * axis.output + j] != (j / copies == i ? 1 : 0) { return nil }
    }
    return copies
  }

  /// The product of an axis with the matrix.
  private func multiplied(
    _ context: GradientContext, _ d: Value, _ shape: [Int], _ axis: Int, _ matrix: Tensor
  ) throws -> Value {
    let g = context.graph
    let weight = g.constant(matrix.converted(to: try context.dtype()), "resize")
    var order = Array(shape.indices)
    order.swapAt(axis, shape.count - 1)
    let product = g.MatMul(
      context.transpose(d, order), g.Transpose(weight, attributes: ["perm": .ints([1, 0])]))
    return context.transpose(product, order)
  }
}
