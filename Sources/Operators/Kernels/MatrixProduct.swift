import GraphIR

/// A row-major matrix in memory, perhaps read as its transpose.
struct MatrixOperand<T> {
  let base: UnsafePointer<T>
  /// The distance of stored rows, in elements.
  let stride: Int
  let isTransposed: Bool

  init(_ base: UnsafePointer<T>, stride: Int, isTransposed: Bool = false) {
    self.base = base
    self.stride = stride
    self.isTransposed = isTransposed
  }

  /// The operand from this row and column of the (transposed) matrix on.
  func from(row: Int, column: Int) -> UnsafePointer<T> {
    base + (isTransposed ? column * stride + row : row * stride + column)
  }
}

/// What is added to a product: `factor · value[row · rowStride + column · columnStride]`, so that a stride
/// of 0 repeats a row or a column.
struct MatrixAddend<T> {
  let base: UnsafePointer<T>
  let rowStride: Int
  let columnStride: Int
  var factor: T
}

/// C = alpha · A · B + addend, computed tile by tile.
struct MatrixProduct<T: MatrixScalar> {
  let m: Int
  let n: Int
  let k: Int
  let a: MatrixOperand<T>
  let b: MatrixOperand<T>
  let c: UnsafeMutablePointer<T>
  let strideC: Int
  var alpha: T = 1
  var addend: MatrixAddend<T>?
  /// Where B is not in memory: writes these rows and columns of it, row by row. Panels alone take it.
  typealias Unfold = (_ rows: Range<Int>, _ columns: Range<Int>, _ target: UnsafeMutablePointer<T>) -> Void
  var unfoldB: Unfold?

  /// The rows and columns of C that one work item computes. Depends on the extents alone: results are the
  /// same for any number of threads.
  static func tile(_ m: Int, _ n: Int, _ k: Int) -> (rows: Int, columns: Int) {
    var rows = max(m, 1)
    var columns = max(n, 1)
    func halve() {
      if rows > columns { rows = half(rows) } else { columns = half(columns) }
    }
    func tiles() -> Int { ((m + rows - 1) / rows) * ((n + columns - 1) / columns) }
    // What a tile packs of A and B should be small beside what it multiplies, and its part of C should
    // stay in the second-level cache.
    while max(rows, columns) >= 512, rows * columns > 512 * 1024 || tiles() < 8 { halve() }
    // Half a million multiply-adds outweigh waking a thread.
    while tiles() < 2, max(rows, columns) >= 32, m * n * k > 1 << 19 { halve() }
    return (rows, columns)
  }

  /// Half of an extent, rounded up to a whole number of vectors.
  private static func half(_ extent: Int) -> Int { ((extent + 1) / 2 + 15) / 16 * 16 }

  /// Computes one tile of C on the calling thread.
  func run(rows: Range<Int>, columns: Range<Int>) {
    guard !rows.isEmpty, !columns.isEmpty else { return }
    let target = c + rows.lowerBound * strideC + columns.lowerBound
    prefill(rows, columns)
    if k == 0, addend == nil {
      for row in 0..<rows.count { (target + row * strideC).update(repeating: 0, count: columns.count) }
    }
    guard k > 0 else { return }
    T.gemm(
      a.isTransposed, b.isTransposed, rows.count, columns.count, k, alpha,
      a.from(row: rows.lowerBound, column: 0), a.stride,
      b.from(row: 0, column: columns.lowerBound), b.stride, addend == nil ? 0 : 1, target, strideC)
  }

  /// Puts the addend into C.
  func prefill(_ rows: Range<Int>, _ columns: Range<Int>) {
    guard let addend else { return }
    for row in rows {
      let source = addend.base + row * addend.rowStride
      let line = c + row * strideC
      if addend.columnStride == 0 {
        (line + columns.lowerBound).update(repeating: addend.factor * source[0], count: columns.count)
      } else {
        for column in columns { line[column] = addend.factor * source[column * addend.columnStride] }
      }
    }
  }

  /// Computes all of C.
  func run(_ context: RunContext, _ precision: ProductPrecision = .float32) {
    MatrixProduct.run(1, m, n, k, context, precision) { _ in self }
  }

  /// Bytes of scratch memory for products of these extents.
  static func byteCount(
    _ m: Int, _ n: Int, _ k: Int, threads: Int, _ precision: ProductPrecision = .float32
  ) -> Int {
    T.panels(m, n, k, precision, unfolded: 0)?.byteCount(threads) ?? 0
  }

  /// Computes `count` products of the same extents, one after the other where each is large; `product` makes each
  /// from its position.
  static func run(
    _ count: Int, _ m: Int, _ n: Int, _ k: Int, _ context: RunContext,
    _ precision: ProductPrecision = .float32, _ product: (Int) -> MatrixProduct
  ) {
    guard let panels = T.panels(m, n, k, precision, unfolded: 0) else {
      return run(count, m, n, k, on: context.pool, product)
    }
    for position in 0..<count { panels.run(product(position), context) }
  }

  /// Computes `count` products of the same extents; `product` makes each from its position.
  static func run(
    _ count: Int, _ m: Int, _ n: Int, _ k: Int, on pool: ThreadPool,
    _ product: (Int) -> MatrixProduct
  ) {
    guard m > 0, n > 0, count > 0 else { return }
    let tile = tile(m, n, k)
    let down = (m + tile.rows - 1) / tile.rows
    let across = (n + tile.columns - 1) / tile.columns
    // Small products go several to an item.
    let group = down * across == 1 ? max(1, (1 << 18) / max(1, m * n * max(k, 1))) : 1
    let groups = (count + group - 1) / group
    pool.forEach(groups * down * across) { item in
      let (first, part) = (item / (down * across) * group, item % (down * across))
      let (row, column) = (part / across * tile.rows, part % across * tile.columns)
      for position in first..<min(first + group, count) {
        product(position).run(
          rows: row..<min(m, row + tile.rows), columns: column..<min(n, column + tile.columns))
      }
    }
  }
}
