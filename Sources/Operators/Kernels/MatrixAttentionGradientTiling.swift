import GraphIR

/// How the gradient of attention is cut. A work item takes the blocks of queries of one segment, over all query
/// heads that share a key head, and goes over pieces of the keys; each segment has sums of its own for the keys'
/// gradients. All of it follows from the extents alone.
struct AttentionGradientTiling {
  let rows: Int
  let columns: Int
  /// Query heads that share a key head.
  let group: Int
  let blocksPerHead: Int
  let segments: Int
  /// Elements of scratch memory that a work item needs.
  let tileCount: Int
  /// Elements that the sums of all segments take, when there are several.
  let sumCount: Int

  init(_ shape: AttentionShape, capped: Bool) {
    rows = max(min(128, shape.queries), 1)
    columns = min(max(AttentionTiling.piece(shape.keys), 1), 1024)
    group = shape.keyHeads == 0 ? 0 : shape.queryHeads / shape.keyHeads
    blocksPerHead = shape.queries / rows + (shape.queries % rows == 0 ? 0 : 1)
    let heads = Cost.product([shape.batch, shape.keyHeads])
    // Eight items keep a few threads busy.
    segments = max(min(8 / max(min(heads, 8), 1), Cost.product([group, blocksPerHead])), 1)
    tileCount = Cost.product([rows, 2 + columns * (capped ? 3 : 2)])
    let widths = min(shape.headSize, 1 << 40) + min(shape.valueSize, 1 << 40)
    sumCount = segments == 1 ? 0 : Cost.product([heads, segments, shape.keys, widths])
  }

  /// The blocks of a segment, counted over all heads of the group.
  func blocks(_ segment: Int) -> Range<Int> {
    let all = group * blocksPerHead
    return all * segment / segments..<all * (segment + 1) / segments
  }

  /// Bytes of scratch memory.
  func byteCount<T>(_ type: T.Type, threads: Int) -> Int {
    min(SlottedScratch<T>.byteCount(tileCount, threads: threads), 1 << 60)
      + SharedScratch<T>.byteCount(sumCount)
  }
}

/// Rows of a gradient that products are added to.
struct GradientRows<T: MatrixScalar> {
  let base: UnsafeMutablePointer<T>
  let stride: Int

  init(base: UnsafeMutablePointer<T>, stride: Int) {
    self.base = base
    self.stride = stride
  }

  /// The rows of one head.
  init(_ view: HeadView<T>, _ batch: Int, _ head: Int) {
    base = UnsafeMutablePointer(mutating: view.head(batch, head))
    stride = view.rowStride
  }

  func from(_ row: Int) -> GradientRows { GradientRows(base: base + row * stride, stride: stride) }

  func clear(_ rows: Int, _ width: Int) {
    for row in 0..<rows { (base + row * stride).update(repeating: 0, count: width) }
  }

  /// Adds alpha · op(A) · B, of `m` rows and `n` columns; A is dense.
  func add(
    _ a: UnsafePointer<T>, _ transposed: Bool, _ m: Int, _ n: Int, _ k: Int, _ alpha: T,
    _ b: UnsafePointer<T>, _ strideB: Int
  ) {
    T.gemm(
      transposed, false, m, n, k, alpha, a, transposed ? m : k, b, max(strideB, 1), 1, base, max(stride, 1))
  }
}

/// The gradients of keys and values: the outputs themselves, or one sum for each segment, joined in order.
struct GradientSums<T: MatrixScalar> {
  private let keys, values: HeadView<T>?
  private let shape: AttentionShape
  private let segments: Int
  private let sums: SharedScratch<T>

  init(
    keys: HeadView<T>?, values: HeadView<T>?, _ shape: AttentionShape, _ tiling: AttentionGradientTiling,
    _ context: RunContext
  ) {
    (self.keys, self.values, self.shape, segments) = (keys, values, shape, tiling.segments)
    sums = SharedScratch(tiling.sumCount, context)
  }

  /// The context with the workspace that is left.
  var rest: RunContext { sums.rest }

  /// Where a segment of a key head adds up, set to zero. Heads are counted over all batch elements.
  func cleared(_ head: Int, _ segment: Int) -> (key: GradientRows<T>?, value: GradientRows<T>?) {
    let key = keys.map { target($0, head, segment, shape.headSize, 0) }
    let value = values.map { target($0, head, segment, shape.valueSize, shape.headSize) }
    key?.clear(shape.keys, shape.headSize)
    value?.clear(shape.keys, shape.valueSize)
    return (key, value)
  }

  /// The sums of a segment are [keys, head size], then [keys, value size]; `before` is the width of what precedes.
  private func target(
    _ view: HeadView<T>, _ head: Int, _ segment: Int, _ width: Int, _ before: Int
  ) -> GradientRows<T> {
    guard segments > 1 else {
      return GradientRows(view, head / shape.keyHeads, head % shape.keyHeads)
    }
    let part = (head * segments + segment) * (shape.headSize + shape.valueSize) + before
    return GradientRows(base: sums.base + part * shape.keys, stride: width)
  }

  /// Joins the segments, the first one first.
  func finish(_ pool: ThreadPool) {
    guard segments > 1 else { return }
    pool.forEach(shape.batch * shape.keyHeads) { head in
      for (view, width, before) in [(keys, shape.headSize, 0), (values, shape.valueSize, shape.headSize)] {
        guard let view else { continue }
        let output = GradientRows(view, head / shape.keyHeads, head % shape.keyHeads)
        for segment in 0..<segments {
          let source = target(view, head, segment, width, before).base
          for row in 0..<shape.keys {
            let (from, to) = (source + row * width, output.base + row * output.stride)
            for i in 0..<width { to[i] = segment == 0 ? from[i] : to[i] + from[i] }
          }
        }
      }
    }
  }
}
