import GraphIR

/// A dense tensor whose axes have labels, each once; axes of one element have none.
struct EinsumOperand {
  let tensor: Tensor
  let labels: [Int]

  private init(tensor: Tensor, labels: [Int]) {
    self.tensor = tensor
    self.labels = labels
  }

  /// Repeated labels become the diagonal of their axes.
  init(_ tensor: Tensor, _ labels: [Int], _ pool: ThreadPool) {
    let strides = Shape.strides(tensor.shape)
    var names: [Int] = []
    var (shape, steps): ([Int], [Int]) = ([], [])
    for (axis, label) in labels.enumerated() where tensor.shape[axis] != 1 {
      if let known = names.firstIndex(of: label) {
        steps[known] += strides[axis]
      } else {
        names.append(label)
        shape.append(tensor.shape[axis])
        steps.append(strides[axis])
      }
    }
    self.labels = names
    if Shape.count(shape) == tensor.count {
      self.tensor = tensor.reshaped(shape)
    } else {
      self.tensor = Tensor(tensor.dtype, shape)
      StridedCopy(shape: shape, source: steps)
        .run(from: tensor.pointer, to: self.tensor.pointer, elementSize: tensor.dtype.size, pool)
    }
  }

  private func extent(_ label: Int) -> Int { tensor.shape[labels.firstIndex(of: label)!] }
  private func count(_ labels: [Int]) -> Int { labels.reduce(1) { $0 * extent($1) } }

  /// The tensor with its axes in this order.
  func arranged(_ order: [Int], _ pool: ThreadPool) -> Tensor {
    if order == labels { return tensor }
    let axes = order.map { labels.firstIndex(of: $0)! }
    let strides = Shape.strides(tensor.shape)
    let result = Tensor(tensor.dtype, axes.map { tensor.shape[$0] })
    StridedCopy(shape: result.shape, source: axes.map { strides[$0] })
      .run(from: tensor.pointer, to: result.pointer, elementSize: tensor.dtype.size, pool)
    return result
  }

  /// Summed over the labels that are not kept.
  func summed(keeping kept: Set<Int>, _ pool: ThreadPool) throws -> EinsumOperand {
    let remaining = labels.filter(kept.contains)
    if remaining.count == labels.count { return self }
    let result = Tensor(tensor.dtype, remaining.map(extent))
    try ReductionKernel.run(
      .sum, tensor, result, ReductionLayout(tensor.shape, labels.map { !kept.contains($0) }), pool)
    return EinsumOperand(tensor: result, labels: remaining)
  }

  /// The product with another operand, summed over the labels that are not kept.
  func joined(_ other: EinsumOperand, keeping kept: Set<Int>, _ pool: ThreadPool) throws -> EinsumOperand {
    let a = try summed(keeping: kept.union(other.labels), pool)
    let b = try other.summed(keeping: kept.union(labels), pool)
    let shared = Set(a.labels).intersection(b.labels)
    let batch = a.labels.filter { shared.contains($0) && kept.contains($0) }
    let inner = a.labels.filter { shared.contains($0) && !kept.contains($0) }
    let rows = a.labels.filter { !shared.contains($0) }
    let columns = b.labels.filter { !shared.contains($0) }
    let dims = (batch + rows).map { Dim.known(a.extent($0)) } + columns.map { Dim.known(b.extent($0)) }
    let type = try Movement.limited(a.tensor.dtype, dims)
    let result = Tensor(type.dtype, dims.compactMap(\.value))
    let product = EinsumProduct(
      count: a.count(batch), m: a.count(rows), n: b.count(columns), k: a.count(inner),
      a: a.arranged(batch + rows + inner, pool),
      // A second operand that lies transposed already is multiplied as it is.
      b: b.arranged(b.labels == batch + columns + inner ? b.labels : batch + inner + columns, pool),
      isTransposed: b.labels == batch + columns + inner && !inner.isEmpty)
    if result.count > 0 { try product.run(result, pool) }
    return EinsumOperand(tensor: result, labels: batch + rows + columns)
  }
}

/// `count` products of matrices, [m, k] times [k, n] (or [n, k] when `isTransposed`).
private struct EinsumProduct {
  let count: Int
  let m: Int
  let n: Int
  let k: Int
  let a: Tensor
  let b: Tensor
  let isTransposed: Bool

  func run(_ y: Tensor, _ pool: ThreadPool) throws {
    if m == 1, n == 1, k == 1 { return try Mul.run(a.reshaped(y.shape), b.reshaped(y.shape), y, pool) }
    switch y.dtype {
    case .float32: try multiply(Float.self, y, pool)
    case .float64: try multiply(Double.self, y, pool)
    default: try y.dtype.visit(EinsumIntegers(product: self, y: y, pool: pool))
    }
  }

  func operands<T>(_ type: T.Type, _ position: Int) -> (MatrixOperand<T>, MatrixOperand<T>) {
    (
      MatrixOperand(a.pointer(as: type) + position * m * k, stride: max(k, 1)),
      MatrixOperand(
        b.pointer(as: type) + position * k * n, stride: max(isTransposed ? k : n, 1),
        isTransposed: isTransposed)
    )
  }

  private func multiply<T: MatrixScalar>(_ type: T.Type, _ y: Tensor, _ pool: ThreadPool) throws {
    try BLAS.check(m, n, k)
    MatrixProduct<T>.run(count, m, n, k, on: pool) { position in
      let (a, b) = operands(type, position)
      return MatrixProduct(
        m: m, n: n, k: k, a: a, b: b, c: y.pointer(as: type) + position * m * n, strideC: n)
    }
  }
}

private struct EinsumIntegers: IntegerVisitor {
  let product: EinsumProduct
  let y: Tensor
  let pool: ThreadPool

  func visit<T: FixedWidthInteger>(_ type: T.Type) {
    let (m, n, k) = (product.m, product.n, product.k)
    pool.forEach(product.count) { position in
      let (a, b) = product.operands(type, position)
      integerProduct(m, n, k, a, b, y.pointer(as: type) + position * m * n)
    }
  }
}
