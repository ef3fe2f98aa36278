import GraphIR

/// The determinants of square matrices, the last two axes: `[…, M, M]` to `[…]`.
struct Det: Operator {
  static let schema = Schema.map("Det", since: 22)
  init(_ attributes: Attributes) {}

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let type = try inputs.type(0)
    guard let shape = type.shape else { return [type] }
    guard shape.count >= 2, shape[shape.count - 1].agrees(with: shape[shape.count - 2]) else {
      throw DataError("\(type) holds no square matrices")
    }
    return [TensorType(type.dtype, Array(shape.dropLast(2)))]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = outputs[0], let size = x.shape.last else { return }
    try x.dtype.visit(Run(x: x, y: y, size: size, pool: context.pool))
  }

  private struct Run: ArithmeticVisitor {
    let x: Tensor
    let y: Tensor
    let size: Int
    let pool: ThreadPool

    func visit<T: ArithmeticElement>(_ type: T.Type) {
      let (from, to) = (x.pointer(as: type), y.pointer(as: type))
      let area = size * size
      pool.forRanges(y.count, grain: max(1, 16384 / max(1, area * size))) { range in
        for matrix in range {
          to[matrix] = T(rounding: determinant((0..<area).map { from[matrix * area + $0].double }))
        }
      }
    }

    /// The product of the pivots of an elimination that takes the largest of each column.
    private func determinant(_ matrix: [Double]) -> Double {
      var a = matrix
      var result = 1.0
      for column in 0..<size {
        let pivot = (column..<size).max { abs(a[$0 * size + column]) < abs(a[$1 * size + column]) } ?? column
        if pivot != column {
          result = -result
          for j in column..<size { a.swapAt(pivot * size + j, column * size + j) }
        }
        let value = a[column * size + column]
        result *= value
        if value == 0 { return 0 }
        for row in column + 1..<max(size, column + 1) {
          let factor = a[row * size + column] / value
          for j in column..<size { a[row * size + j] -= factor * a[column * size + j] }
        }
      }
      return result
    }
  }
}
