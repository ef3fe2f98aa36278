import GraphIR

/// Attention without a score matrix: each block of queries goes over the keys piece by piece and keeps the
/// maximum and the sum of exponentials so far (Milakov and Gimelshein 2018, arXiv 1805.02867).
struct AttentionKernel<T: MatrixScalar> {
  let shape: AttentionShape
  let q: HeadView<T>
  let keys: [HeadPart<T>]
  let values: [HeadPart<T>]
  let scale: T
  let softcap: T
  let hiding: AttentionHiding<T>
  /// Laid out as the query.
  let y: UnsafeMutablePointer<T>?
  /// [batch, heads, queries, keys] at the stage asked for.
  let scores: UnsafeMutablePointer<T>?
  let stage: AttentionForm.Stage
  /// [batch, heads, queries]
  let logSumExp: UnsafeMutablePointer<T>?

  func run(_ context: RunContext) {
    guard shape.queries > 0, y != nil || scores != nil || logSumExp != nil else { return }
    let tiling = AttentionTiling(shape)
    let scratch = SlottedScratch<T>(tiling.scratchCount, context)
    let blocks = (shape.queries + tiling.rows - 1) / tiling.rows
    context.pool.forEachWithSlot(shape.batch * shape.queryHeads * blocks) { item, slot in
      let first = item % blocks * tiling.rows
      let head = item / blocks % shape.queryHeads
      let rows = first..<min(shape.queries, first + tiling.rows)
      let memory = scratch.pointer(slot)
      let block = Block(
        batch: item / (blocks * shape.queryHeads), head: head, rows: rows,
        scores: memory, sums: memory + tiling.rows * tiling.columns,
        maximum: memory + tiling.rows * (tiling.columns + shape.valueSize),
        total: memory + tiling.rows * (tiling.columns + shape.valueSize + 1),
        decay: memory + tiling.rows * (tiling.columns + shape.valueSize + 2))
      run(block)
    }
  }

  /// A block of queries of one head and its scratch memory.
  private struct Block {
    let batch: Int
    let head: Int
    let rows: Range<Int>
    /// [rows, piece]
    let scores: UnsafeMutablePointer<T>
    /// Σ exp(score − maximum) · value, [rows, value size].
    let sums: UnsafeMutablePointer<T>
    /// [rows] each.
    let maximum: UnsafeMutablePointer<T>
    let total: UnsafeMutablePointer<T>
    let decay: UnsafeMutablePointer<T>
  }

  private func run(_ block: Block) {
    let count = block.rows.count
    block.maximum.update(repeating: -.infinity, count: count)
    block.total.update(repeating: 0, count: count)
    let seen = hiding.visible.range(block.batch, block.rows)
    var isFirst = true
    for part in keys.indices {
      let step = AttentionTiling.piece(keys[part].count)
      for start in stride(from: 0, to: keys[part].count, by: step) {
        let piece = start..<min(keys[part].count, start + step)
        let position = keys[part].start + piece.lowerBound
        // What no query of the block sees adds nothing.
        if scores == nil, position >= seen.upperBound || position + piece.count <= seen.lowerBound {
          continue
        }
        score(block, part, piece)
        T.softmaxPiece(
          block.scores, rows: count, columns: piece.count, stride: piece.count,
          maximum: block.maximum, sum: block.total, decay: block.decay)
        guard y != nil else { continue }
        if !isFirst { T.scaleRows(block.sums, rows: count, columns: shape.valueSize, by: block.decay) }
        let view = values[part].view
        T.gemm(
          false, false, count, shape.valueSize, piece.count, 1, block.scores, piece.count,
          view.head(block.batch, block.head / (shape.queryHeads / shape.keyHeads))
            + piece.lowerBound * view.rowStride, max(view.rowStride, 1), isFirst ? 0 : 1, block.sums,
          max(shape.valueSize, 1))
        isFirst = false
      }
    }
    if isFirst { block.sums.update(repeating: 0, count: count * shape.valueSize) }
    finish(block)
  }

  /// Scaled, capped and masked scores of one piece, with the stage that is asked for written out.
  private func score(_ block: Block, _ part: Int, _ piece: Range<Int>) {
    let (count, columns) = (block.rows.count, piece.count)
    let view = keys[part].view
    T.gemm(
      false, true, count, columns, shape.headSize, scale,
      q.head(block.batch, block.head) + block.rows.lowerBound * q.rowStride, max(q.rowStride, 1),
      view.head(block.batch, block.head / (shape.queryHeads / shape.keyHeads))
        + piece.lowerBound * view.rowStride, max(view.rowStride, 1), 0, block.scores, columns)
    let first = keys[part].start + piece.lowerBound
    if stage == .product { keep(block, first, columns) }
    if softcap > 0 {
      for i in 0..<count * columns { block.scores[i] = softcap * T.tanh(block.scores[i] / softcap) }
    }
    if stage == .softCapped { keep(block, first, columns) }
    hiding.apply(block.batch, block.head, block.rows, first..<first + columns, block.scores)
    if stage == .masked || stage == .probabilities { keep(block, first, columns) }
  }

  /// Copies the piece of scores to the output.
  private func keep(_ block: Block, _ first: Int, _ columns: Int) {
    guard let scores else { return }
    for row in 0..<block.rows.count {
      (scores + line(block, row) * shape.total + first).update(
        from: block.scores + row * columns, count: columns)
    }
  }

  /// The position of a block's row among all queries of all heads.
  private func line(_ block: Block, _ row: Int) -> Int {
    (block.batch * shape.queryHeads + block.head) * shape.queries + block.rows.lowerBound + row
  }

  private func finish(_ block: Block) {
    for row in 0..<block.rows.count {
      let (maximum, total) = (block.maximum[row], block.total[row])
      logSumExp?[line(block, row)] = maximum + T.log(total)
      if stage == .probabilities, let scores {
        T.softmaxFinish(
          scores + line(block, row) * shape.total, count: shape.total,
          maximum: maximum == -.infinity ? 0 : maximum, sum: total)
      }
      guard let y else { continue }
      let query = block.rows.lowerBound + row
      let place =
        shape.isPacked
        ? (block.batch * shape.queries + query) * shape.queryHeads + block.head : line(block, row)
      let (source, target) = (block.sums + row * shape.valueSize, y + place * shape.valueSize)
      // A query that sees no key gives zeros.
      let factor = total == 0 ? 0 : 1 / total
      for i in 0..<shape.valueSize { target[i] = total == 0 ? 0 : source[i] * factor }
    }
  }
}
