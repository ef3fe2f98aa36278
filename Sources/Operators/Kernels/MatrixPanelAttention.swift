import CKernels
import GraphIR

/// How attention is computed by panels: of float32 tensors, no mask, every query sees every key.
///
/// Keys and values of a head are packed once, by all threads. A work item takes a few panels of queries of one head and
/// goes over pieces of the keys. Scores stand as [keys, queries], which is a right panel as it is: the maximum and the
/// sum of exponentials so far (Milakov and Gimelshein 2018, arXiv 1805.02867) are kept for each column, and what is
/// multiplied with the values needs no packing.
struct PanelAttentionPlan {
  let shape: AttentionShape
  let kernels: PanelKernels
  /// Keys of a piece: whole left panels where there are several pieces.
  let piece: Int
  /// Panels of queries in an item.
  let queryPanels: Int
  /// Key heads that are packed at a time, counted over all batch elements.
  let heads: Int

  /// Bytes of packed keys and values at a time.
  private static let packedBytes = 32 << 20

  /// Nil when the attention is small, hides keys in any way, or there are no kernels.
  init?(_ shape: AttentionShape, _ form: AttentionForm, hasMask: Bool, hasLengths: Bool, keepsScores: Bool) {
    guard let best = PanelKernels.best(form.precision) else { return nil }
    self.init(shape, form, hasMask: hasMask, hasLengths: hasLengths, keepsScores: keepsScores, best)
  }

  init?(
    _ shape: AttentionShape, _ form: AttentionForm, hasMask: Bool, hasLengths: Bool, keepsScores: Bool,
    _ kernels: PanelKernels
  ) {
    guard !hasMask, !hasLengths, !keepsScores, !form.isCausal, form.leftWindow == nil,
      form.rightWindow == nil,
      form.softcap == 0, shape.past == 0, shape.keys > 0, shape.valueSize > 0,
      PanelKernels.fits(
        shape.batch, shape.queryHeads, shape.queries, shape.keys, shape.headSize, shape.valueSize),
      Cost.product([shape.keys, shape.headSize + shape.valueSize]) < 1 << 40,
      Cost.product([shape.queries, shape.keys, shape.headSize]) >= 1 << 16, shape.queries >= 16,
      shape.headSize >= 8
    else { return nil }
    self.shape = shape
    self.kernels = kernels
    if shape.keys <= 320 {
      piece = shape.keys
    } else {
      let pieces = (shape.keys + 255) / 256
      // Rows of a left panel are even: a piece has whole slots of keys.
      piece = kernels.whole(rows: (shape.keys + pieces - 1) / pieces)
    }
    let panels = kernels.panels(columns: shape.queries)
    let all = Cost.product([shape.batch, shape.queryHeads])
    queryPanels = max(1, min(4, Cost.product([panels, all]) / 24, panels))
    let each = Cost.product([
      shape.keys, shape.headSize + shape.valueSize + 2 * kernels.rows, MemoryLayout<Float>.size,
    ])
    heads = max(1, min(Self.packedBytes / each, shape.batch * shape.keyHeads))
  }

  private var rows: Int { kernels.rows }
  private var columns: Int { kernels.columns }
  var keyPanels: Int { kernels.panels(rows: shape.keys) }
  var valuePanels: Int { kernels.panels(rows: shape.valueSize) }

  /// Elements of a panel of keys and of one of values, with room behind it.
  var keyPanel: Int { kernels.slots(shape.headSize) * rows + 16 }
  var valuePanel: Int { kernels.slots(shape.keys) * rows + 16 }

  /// Elements of a packed head.
  var headCount: Int { keyPanels * keyPanel + valuePanels * valuePanel }

  var sharedCount: Int { Cost.product([heads, headCount]) }

  /// Elements of a panel of queries, of its scores over a piece, of its results, and of its numbers.
  var queryCount: Int { kernels.slots(shape.headSize) * columns }
  var scoreCount: Int { kernels.whole(rows: piece) * columns }
  var resultCount: Int { valuePanels * rows * columns }

  /// Elements of scratch memory that one thread needs: scores, and for each panel what it keeps.
  var scratchCount: Int { scoreCount + queryPanels * (queryCount + resultCount + 3 * columns) }

  func byteCount(threads: Int) -> Int {
    SharedScratch<Float>.byteCount(sharedCount)
      + SlottedScratch<Float>.byteCount(scratchCount, threads: threads)
  }
}

/// Attention by panels, see ``PanelAttentionPlan``.
struct PanelAttention {
  let plan: PanelAttentionPlan
  let q, k, v: HeadView<Float>
  let scale: Float
  /// Laid out as the query.
  let y: UnsafeMutablePointer<Float>?
  /// [batch, heads, queries]
  let logSumExp: UnsafeMutablePointer<Float>?

  private var shape: AttentionShape { plan.shape }
  private var table: ck_panels { plan.kernels.functions }

  func run(_ context: RunContext) {
    let shared = SharedScratch<Float>(plan.sharedCount, context)
    let scratch = SlottedScratch<Float>(plan.scratchCount, shared.rest)
    let all = shape.batch * shape.keyHeads
    let group = shape.queryHeads / shape.keyHeads
    let panels = plan.kernels.panels(columns: shape.queries)
    let blocks = (panels + plan.queryPanels - 1) / plan.queryPanels
    for first in stride(from: 0, to: all, by: plan.heads) {
      let heads = first..<min(all, first + plan.heads)
      pack(heads, to: shared.base, context.pool)
      context.pool.forEachWithSlot(heads.count * group * blocks) { item, slot in
        let place = item / (group * blocks)
        let keyHead = first + place
        let block = item % blocks * plan.queryPanels * table.columns
        Block(
          self, batch: keyHead / shape.keyHeads,
          head: keyHead % shape.keyHeads * group + item / blocks % group,
          queries: block..<min(shape.queries, block + plan.queryPanels * table.columns),
          keys: shared.base + place * plan.headCount, memory: scratch.pointer(slot)
        ).run()
      }
    }
  }

  /// Left panels of the keys, `[panel, head size, row]`, and of the values' columns, `[panel, key, row]`.
  private func pack(_ heads: Range<Int>, to target: UnsafeMutablePointer<Float>, _ pool: ThreadPool) {
    let (rows, pack) = (table.rows, table.pack_left!)
    let chunk = 16
    let keyItems = (plan.keyPanels + chunk - 1) / chunk
    let items = keyItems + (y == nil ? 0 : plan.valuePanels)
    pool.forEach(heads.count * items) { item in
      let place = item / items
      let (batch, head) = (
        (heads.lowerBound + place) / shape.keyHeads, (heads.lowerBound + place) % shape.keyHeads
      )
      let own = target + place * plan.headCount
      let part = item % items
      if part < keyItems {
        let base = k.head(batch, head)
        for panel in part * chunk..<min(plan.keyPanels, (part + 1) * chunk) {
          let key = panel * rows
          pack(
            0, base + key * k.rowStride, k.rowStride, min(rows, shape.keys - key), shape.headSize, scale,
            own + panel * plan.keyPanel)
        }
      } else {
        let panel = part - keyItems
        let column = panel * rows
        pack(
          1, v.head(batch, head) + column, v.rowStride, min(rows, shape.valueSize - column), shape.keys, 1,
          own + plan.keyPanels * plan.keyPanel + panel * plan.valuePanel)
      }
    }
  }

  /// Some panels of queries of one head, and what is kept for them.
  private struct Block {
    let owner: PanelAttention
    let batch, head: Int
    let queries: Range<Int>
    let keys, values: UnsafePointer<Float>
    let scores, memory: UnsafeMutablePointer<Float>
    private let plan: PanelAttentionPlan
    private let table: ck_panels

    init(
      _ owner: PanelAttention, batch: Int, head: Int, queries: Range<Int>, keys: UnsafePointer<Float>,
      memory: UnsafeMutablePointer<Float>
    ) {
      (self.owner, self.batch, self.head, self.queries, self.keys) = (owner, batch, head, queries, keys)
      plan = owner.plan
      table = plan.kernels.functions
      values = keys + plan.keyPanels * plan.keyPanel
      scores = memory
      self.memory = memory + plan.scoreCount
    }

    private var panels: Int { plan.kernels.panels(columns: queries.count) }

    /// Packed queries, results `[value size, query]`, maximum, sum and decay of a panel.
    private func query(_ panel: Int) -> UnsafeMutablePointer<Float> {
      memory + panel * (plan.queryCount + plan.resultCount + 3 * table.columns)
    }
    private func result(_ panel: Int) -> UnsafeMutablePointer<Float> { query(panel) + plan.queryCount }
    private func numbers(_ panel: Int) -> UnsafeMutablePointer<Float> { result(panel) + plan.resultCount }

    func run() {
      for panel in 0..<panels {
        let first = queries.lowerBound + panel * table.columns
        table.pack_right(
          1, owner.q.head(batch, head) + first * owner.q.rowStride, owner.q.rowStride,
          min(table.columns, queries.upperBound - first), plan.shape.headSize, query(panel))
        numbers(panel).update(repeating: -.infinity, count: table.columns)
        (numbers(panel) + table.columns).update(repeating: 0, count: table.columns)
      }
      for start in stride(from: 0, to: plan.shape.keys, by: plan.piece) {
        let piece = start..<min(plan.shape.keys, start + plan.piece)
        for panel in 0..<panels { add(piece, panel) }
      }
      for panel in 0..<panels { finish(panel) }
    }

    /// Brings a panel of queries up to date with a piece of the keys.
    private func add(_ piece: Range<Int>, _ panel: Int) {
      let (rows, columns, multiply) = (table.rows, table.columns, table.panels!)
      multiply(
        plan.kernels.slots(plan.shape.headSize), keys + piece.lowerBound / rows * plan.keyPanel,
        plan.keyPanel,
        query(panel), scores, columns, piece.count, columns, 0, nil, nil)
      let (maximum, sum) = (numbers(panel), numbers(panel) + columns)
      let decay = sum + columns
      table.softmax(scores, piece.count, maximum, sum, decay)
      guard owner.y != nil else { return }
      let isFirst = piece.lowerBound == 0
      if !isFirst { table.scale(result(panel), plan.valuePanels * rows, decay) }
      multiply(
        plan.kernels.slots(piece.count), values + piece.lowerBound / plan.kernels.elements * rows,
        plan.valuePanel, scores, result(panel), columns, plan.shape.valueSize, columns, isFirst ? 0 : 1, nil,
        nil)
    }

    private func finish(_ panel: Int) {
      let (columns, shape) = (table.columns, plan.shape)
      let (maximum, sum) = (numbers(panel), numbers(panel) + columns)
      let first = queries.lowerBound + panel * columns
      let count = min(columns, queries.upperBound - first)
      let line = (batch * shape.queryHeads + head) * shape.queries + first
      if let target = owner.logSumExp {
        for query in 0..<count { target[line + query] = maximum[query] + Float.log(sum[query]) }
      }
      guard let y = owner.y else { return }
      for query in 0..<columns { sum[query] = sum[query] == 0 ? 0 : 1 / sum[query] }
      let view = shape.view(UnsafePointer(y), shape.queryHeads, shape.queries, shape.valueSize)
      table.unpack(
        result(panel), shape.valueSize, count, sum,
        UnsafeMutablePointer(mutating: view.head(batch, head)) + first * view.rowStride, view.rowStride)
    }
  }
}
