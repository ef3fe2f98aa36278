import GraphIR

/// Gradients of attention without a score matrix: the probabilities of a block of queries and a piece of the keys
/// are made again from the scores and the saved log-sum-exp (Dao et al. 2022, arXiv 2205.14135).
///
/// With P = exp(S − lse) and D = Σ dY · Y over a row: dV = Pᵀ · dY, dS = P ∘ (dY · Vᵀ − D + dlse),
/// dQ = scale · dS · K, dK = scale · dSᵀ · Q. A query that sees no key adds nothing.
struct AttentionGradientKernel<T: MatrixScalar> {
  let shape: AttentionShape
  let q, k, v: HeadView<T>
  /// The result and its gradient, both or neither.
  let y, dY: HeadView<T>?
  /// [batch, heads, queries]
  let lse: UnsafePointer<T>
  let dlse: UnsafePointer<T>?
  let scale: T
  let softcap: T
  let hiding: AttentionHiding<T>
  /// Laid out as query, key and value.
  let dQ, dK, dV: UnsafeMutablePointer<T>?

  func run(_ context: RunContext) {
    let tiling = AttentionGradientTiling(shape, capped: softcap > 0)
    let heads = shape.batch * shape.keyHeads
    let sums = GradientSums(
      keys: dK.map { shape.view($0, shape.keyHeads, shape.keys, shape.headSize) },
      values: dV.map { shape.view($0, shape.keyHeads, shape.keys, shape.valueSize) }, shape, tiling, context)
    let scratch = SlottedScratch<T>(tiling.tileCount, sums.rest)
    context.pool.forEachWithSlot(heads * tiling.segments) { item, slot in
      let head = item / tiling.segments
      let segment = item % tiling.segments
      let targets = sums.cleared(head, segment)
      for number in tiling.blocks(segment) {
        let first = number % tiling.blocksPerHead * tiling.rows
        let block = Block(
          batch: head / shape.keyHeads, keyHead: head % shape.keyHeads,
          head: head % shape.keyHeads * tiling.group + number / tiling.blocksPerHead,
          rows: first..<min(shape.queries, first + tiling.rows), memory: scratch.pointer(slot), tiling)
        run(block, targets)
      }
    }
    sums.finish(context.pool)
  }

  /// A block of queries of one head and its scratch memory.
  private struct Block {
    let batch, keyHead, head: Int
    let rows: Range<Int>
    /// [rows, piece]: scores, then probabilities; the gradient of either; the slope of the soft cap.
    let scores, dScores, slopes: UnsafeMutablePointer<T>
    /// [rows]: D − dlse, and the log-sum-exp.
    let delta, lse: UnsafeMutablePointer<T>

    init(
      batch: Int, keyHead: Int, head: Int, rows: Range<Int>, memory: UnsafeMutablePointer<T>,
      _ tiling: AttentionGradientTiling
    ) {
      (self.batch, self.keyHead, self.head, self.rows) = (batch, keyHead, head, rows)
      let tile = tiling.rows * tiling.columns
      delta = memory
      lse = memory + tiling.rows
      scores = lse + tiling.rows
      dScores = scores + tile
      slopes = dScores + tile
    }
  }

  private func run(_ block: Block, _ targets: (key: GradientRows<T>?, value: GradientRows<T>?)) {
    let count = block.rows.count
    prepare(block)
    let query = q.head(block.batch, block.head) + block.rows.lowerBound * q.rowStride
    let target = dQ.map {
      let view = shape.view($0, shape.queryHeads, shape.queries, shape.headSize)
      return GradientRows(view, block.batch, block.head).from(block.rows.lowerBound)
    }
    target?.clear(count, shape.headSize)
    let seen = hiding.visible.range(block.batch, block.rows)
    let step = max(AttentionTiling.piece(shape.keys), 1)
    for start in stride(from: 0, to: shape.keys, by: step) {
      let piece = start..<min(shape.keys, start + step)
      if piece.lowerBound >= seen.upperBound || piece.upperBound <= seen.lowerBound { continue }
      let columns = piece.count
      let key = k.head(block.batch, block.keyHead) + start * k.rowStride
      T.gemm(
        false, true, count, columns, shape.headSize, scale, query, max(q.rowStride, 1), key,
        max(k.rowStride, 1), 0, block.scores, columns)
      if softcap > 0 { cap(block, count * columns) }
      hiding.apply(block.batch, block.head, block.rows, piece, block.scores)
      let needsScores = dQ != nil || dK != nil
      if needsScores {
        if let dY {
          T.gemm(
            false, true, count, columns, shape.valueSize, 1, row(dY, block), max(dY.rowStride, 1),
            v.head(block.batch, block.keyHead) + start * v.rowStride, max(v.rowStride, 1), 0,
            block.dScores, columns)
        } else {
          block.dScores.update(repeating: 0, count: count * columns)
        }
      }
      T.softmaxGradient(
        block.scores, needsScores ? block.dScores : nil, rows: count, columns: columns, lse: block.lse,
        delta: block.delta)
      if softcap > 0, needsScores {
        for i in 0..<count * columns { block.dScores[i] *= block.slopes[i] }
      }
      if let dY {
        targets.value?.from(start).add(
          block.scores, true, columns, shape.valueSize, count, 1, row(dY, block), dY.rowStride)
      }
      target?.add(block.dScores, false, count, shape.headSize, columns, scale, key, k.rowStride)
      targets.key?.from(start).add(
        block.dScores, true, columns, shape.headSize, count, scale, query, q.rowStride)
    }
  }

  /// The block's rows of a tensor that is laid out as the query.
  private func row(_ view: HeadView<T>, _ block: Block) -> UnsafePointer<T> {
    view.head(block.batch, block.head) + block.rows.lowerBound * view.rowStride
  }

  private func prepare(_ block: Block) {
    let line = (block.batch * shape.queryHeads + block.head) * shape.queries + block.rows.lowerBound
    for row in 0..<block.rows.count {
      let seesNothing = lse[line + row] == -.infinity
      block.lse[row] = seesNothing ? 0 : lse[line + row]
      var delta = dlse.map { -$0[line + row] } ?? 0
      if let y, let dY {
        let (a, b) = (self.row(y, block) + row * y.rowStride, self.row(dY, block) + row * dY.rowStride)
        for i in 0..<shape.valueSize { delta += a[i] * b[i] }
      }
      block.delta[row] = seesNothing ? 0 : delta
    }
  }

  private func cap(_ block: Block, _ count: Int) {
    for i in 0..<count {
      let t = T.tanh(block.scores[i] / softcap)
      block.scores[i] = softcap * t
      block.slopes[i] = 1 - t * t
    }
  }
}
