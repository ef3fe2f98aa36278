import GraphIR

/// Scale and bias of the operators that normalize whole rows: the trailing axes of X from `axis` on.
enum RowScale {
  /// Checks that a scale or bias broadcasts to X.
  /// - Throws: `DataError` that names both shapes.
  static func check(_ name: String, _ shape: [Dim]?, _ x: [Dim]) throws {
    guard let shape else { return }
    guard let joined = Shape.broadcast(shape, x), joined.count == x.count,
      zip(joined, x).allSatisfy({ $0.agrees(with: $1) })
    else {
      throw DataError("\(name) \(Elementwise.text(shape)) does not broadcast to \(Elementwise.text(x))")
    }
  }

  /// Whether `tensor` holds one number for each element of a row of shape `row`, in order.
  static func fits(_ tensor: Tensor?, _ row: [Int]) -> Bool {
    guard let tensor else { return true }
    return tensor.shape.count <= row.count
      && [Int](repeating: 1, count: row.count - tensor.shape.count) + tensor.shape == row
  }

  /// y = normalized x · scale + bias. Scales that are not one row are applied in further passes.
  static func normalize(
    _ x: Tensor, _ y: Tensor, axis: Int, epsilon: Double, centered: Bool, scale: Tensor, bias: Tensor?,
    means: Tensor? = nil, inverses: Tensor? = nil, _ pool: ThreadPool
  ) throws {
    let row = Array(x.shape[axis...])
    let fused = fits(scale, row) && fits(bias, row)
    NormalizationKernel.rows(
      x, y, Shape.count(row), epsilon: epsilon, centered: centered, scale: fused ? scale : nil,
      bias: fused ? bias : nil, means: means, inverses: inverses, pool)
    if !fused {
      try Mul.run(y, scale, y, pool)
      if let bias { try Add.run(y, bias, y, pool) }
    }
  }
}
