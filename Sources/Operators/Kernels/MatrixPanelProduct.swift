import GraphIR

/// How a float32 product is cut into what is packed and multiplied at a time.
///
/// The right matrix is packed once, by all threads, a block of columns at a time; a work item then packs some rows of
/// the left one and multiplies them by some columns of the block. Where the left matrix has few rows, it is packed by
/// all threads too. Only `depth` decides the order of additions.
struct PanelPlan {
  let kernels: PanelKernels
  let m, n, k: Int
  /// Columns of a step of k.
  let depth: Int
  /// Rows of an item, and columns of a block and of an item; whole panels.
  let rows: Int
  let block: Int
  let columns: Int
  /// Whether all of the left matrix is packed at once.
  let sharesLeft: Bool

  /// Bytes of packed columns: a share of the last cache.
  private static let blockBytes = 12 << 20

  /// Nil when the product is so small that packing it does not pay, or there are no kernels.
  init?(_ m: Int, _ n: Int, _ k: Int) {
    guard let best = PanelKernels.best else { return nil }
    self.init(m, n, k, best)
  }

  init?(_ m: Int, _ n: Int, _ k: Int, _ kernels: PanelKernels) {
    let (panelRows, panelColumns) = (kernels.rows, kernels.columns)
    guard PanelKernels.fits(m, n, k), m >= 12, n >= panelColumns, k >= 16, Cost.product([m, n, k]) >= 1 << 19
    else { return nil }
    (self.kernels, self.m, self.n, self.k) = (kernels, m, n, k)
    let steps = (k + 511) / 512
    depth = (k + steps - 1) / steps
    let most = 112 / panelRows * panelRows
    rows = kernels.whole(rows: (m + (m - 1) / most) / ((m - 1) / most + 1))
    let fitting = Self.blockBytes / (MemoryLayout<Float>.size * k) / panelColumns * panelColumns
    block = min(kernels.whole(columns: n), max(fitting, 4 * panelColumns))
    // Two dozen items keep a few threads busy.
    let rowItems = (m + rows - 1) / rows
    let columnItems = (24 + rowItems - 1) / rowItems
    columns = max(kernels.whole(columns: (block + columnItems - 1) / columnItems), 2 * panelColumns)
    sharesLeft = rowItems < 12 && m * k <= 1 << 20
  }

  var steps: Int { (k + depth - 1) / depth }

  /// Elements of a panel of all steps, with room behind it.
  var leftPanel: Int { k * kernels.rows + 16 }
  var rightPanel: Int { k * kernels.columns }

  /// Elements that all threads see.
  var sharedCount: Int {
    (sharesLeft ? kernels.panels(rows: m) * leftPanel : 0) + kernels.panels(columns: block) * rightPanel
  }

  /// Elements of scratch memory that one thread needs.
  var scratchCount: Int { sharesLeft ? 0 : kernels.panels(rows: rows) * leftPanel }

  func byteCount(threads: Int) -> Int {
    SharedScratch<Float>.byteCount(sharedCount)
      + (sharesLeft ? 0 : SlottedScratch<Float>.byteCount(scratchCount, threads: threads))
  }
}

/// C = alpha · A · B + addend in float32, by panels.
struct PanelProduct {
  let plan: PanelPlan
  let product: MatrixProduct<Float>
  private let rowStart, columnStart: UnsafePointer<Float>?
  /// Whether the addend has to be in C before.
  private let prefills: Bool

  init(_ plan: PanelPlan, _ product: MatrixProduct<Float>) {
    (self.plan, self.product) = (plan, product)
    var (row, column, prefills): (UnsafePointer<Float>?, UnsafePointer<Float>?, Bool) = (nil, nil, false)
    if let addend = product.addend {
      switch (addend.rowStride, addend.columnStride, addend.factor) {
      case (1, 0, 1): row = addend.base
      case (0, 1, 1): column = addend.base
      default: prefills = true
      }
    }
    (rowStart, columnStart, self.prefills) = (row, column, prefills)
  }

  func run(_ context: RunContext) {
    let shared = SharedScratch<Float>(plan.sharedCount, context)
    let scratch = plan.sharesLeft ? nil : SlottedScratch<Float>(plan.scratchCount, shared.rest)
    let (panelRows, panelColumns) = (plan.kernels.rows, plan.kernels.columns)
    let leftPanels = plan.sharesLeft ? plan.kernels.panels(rows: plan.m) : 0
    let right = shared.base + leftPanels * plan.leftPanel
    let rowItems = (plan.m + plan.rows - 1) / plan.rows
    for start in stride(from: 0, to: plan.n, by: plan.block) {
      let block = start..<min(plan.n, start + plan.block)
      let packsLeft = start == 0 ? leftPanels : 0
      let rightPanels = plan.kernels.panels(columns: block.count)
      // A few panels make a piece of work.
      let chunk = 4
      let leftItems = (packsLeft + chunk - 1) / chunk
      context.pool.forEach(leftItems + (rightPanels + chunk - 1) / chunk) { item in
        if item < leftItems {
          let rows = item * chunk * panelRows..<min(plan.m, (item + 1) * chunk * panelRows)
          packLeft(rows, to: shared.base + item * chunk * plan.leftPanel)
        } else {
          let first = (item - leftItems) * chunk
          for panel in first..<min(rightPanels, first + chunk) {
            packRight(start + panel * panelColumns, to: right + panel * plan.rightPanel)
          }
        }
      }
      let columnItems = (block.count + plan.columns - 1) / plan.columns
      context.pool.forEachWithSlot(rowItems * columnItems) { item, slot in
        let row = item % rowItems * plan.rows
        let column = item / rowItems * plan.columns
        let rows = row..<min(plan.m, row + plan.rows)
        let left: UnsafeMutablePointer<Float>
        if let scratch {
          left = scratch.pointer(slot)
          packLeft(rows, to: left)
        } else {
          left = shared.base + row / panelRows * plan.leftPanel
        }
        multiply(
          rows, start + column..<min(block.upperBound, start + column + plan.columns), left,
          right + column / panelColumns * plan.rightPanel)
      }
    }
  }

  private func steps(_ body: (Range<Int>) -> Void) {
    for first in stride(from: 0, to: plan.k, by: plan.depth) { body(first..<min(plan.k, first + plan.depth)) }
  }

  /// Packs rows of A for all steps, a panel after the other.
  private func packLeft(_ rows: Range<Int>, to target: UnsafeMutablePointer<Float>) {
    let (panelRows, pack, a) = (plan.kernels.rows, plan.kernels.functions.pack_left!, product.a)
    for (panel, row) in stride(from: rows.lowerBound, to: rows.upperBound, by: panelRows).enumerated() {
      steps { step in
        pack(
          a.isTransposed ? 1 : 0, a.from(row: row, column: step.lowerBound), a.stride,
          min(panelRows, rows.upperBound - row), step.count, product.alpha,
          target + panel * plan.leftPanel + step.lowerBound * panelRows)
      }
    }
  }

  /// Packs the columns of B from one on for all steps.
  private func packRight(_ column: Int, to target: UnsafeMutablePointer<Float>) {
    let (columns, b) = (plan.kernels.columns, product.b)
    plan.kernels.functions.pack_right(
      b.isTransposed ? 1 : 0, b.from(row: 0, column: column), b.stride, min(columns, plan.n - column), plan.k,
      target)
  }

  private func multiply(
    _ rows: Range<Int>, _ columns: Range<Int>, _ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>
  ) {
    let table = plan.kernels.functions
    let (panelRows, panelColumns, panel) = (table.rows, table.columns, table.panel!)
    if prefills { product.prefill(rows, columns) }
    // Columns whose part of C stays near while the steps add to it.
    let near = 512 / panelColumns * panelColumns
    for group in stride(from: columns.lowerBound, to: columns.upperBound, by: near) {
      steps { step in
        let adds: Int32 = prefills || step.lowerBound > 0 ? 1 : 0
        let starts = step.lowerBound == 0
        for column in stride(from: group, to: min(columns.upperBound, group + near), by: panelColumns) {
          let ownRight =
            right + (column - columns.lowerBound) / panelColumns * plan.rightPanel + step.lowerBound
            * panelColumns
          let width = min(panelColumns, columns.upperBound - column)
          var ownLeft = left + step.lowerBound * panelRows
          for row in stride(from: rows.lowerBound, to: rows.upperBound, by: panelRows) {
            panel(
              step.count, ownLeft, ownRight, product.c + row * product.strideC + column, product.strideC,
              min(panelRows, rows.upperBound - row), width, adds, starts ? rowStart.map { $0 + row } : nil,
              starts ? columnStart.map { $0 + column } : nil)
            ownLeft += plan.leftPanel
          }
        }
      }
    }
  }
}
