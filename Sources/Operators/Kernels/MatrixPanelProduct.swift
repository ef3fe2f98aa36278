import GraphIR

/// How a product of float32 matrices is cut into what is packed and multiplied at a time.
///
/// The right matrix is packed once, by all threads, a block of columns at a time; a work item then packs some rows of
/// the left one and multiplies them by some columns of the block. Where the left matrix has few rows, it is packed by
/// all threads too; and where the right one then has many columns, such as weights beside a small image, an item packs
/// its columns itself and multiplies all rows by them, while memory already brings the next ones. Only `depth` decides
/// the order of additions.
struct PanelPlan {
  let kernels: PanelKernels
  let m, n, k: Int
  /// Slots of k, and of a step of it.
  let slots: Int
  let depth: Int
  /// Rows of an item, and columns of a block and of an item; whole panels.
  let rows: Int
  let block: Int
  let columns: Int
  /// Whether all of the left matrix is packed at once.
  let sharesLeft: Bool
  /// Whether items pack their own columns.
  let streamsRight: Bool
  /// Rows of the right matrix that are made at a time where it is not there as a whole; 0 where it is.
  let unfolded: Int
  /// The matrix that is there in panels already.
  let kept: KeptPanels.Side?

  /// Bytes of packed columns: a share of the last cache.
  private static let blockBytes = 12 << 20

  /// Nil when the product is so small that packing it does not pay, or there are no kernels.
  init?(
    _ m: Int, _ n: Int, _ k: Int, _ precision: ProductPrecision = .float32, unfolded: Int = 0,
    kept: KeptPanels.Side? = nil
  ) {
    guard let best = PanelKernels.best(precision) else { return nil }
    self.init(m, n, k, best, unfolded: unfolded, kept: kept)
  }

  init?(
    _ m: Int, _ n: Int, _ k: Int, _ kernels: PanelKernels, unfolded: Int = 0, kept: KeptPanels.Side? = nil
  ) {
    let (panelRows, panelColumns) = (kernels.rows, kernels.columns)
    // A matrix that is there in panels pays for much smaller products.
    let least = kept == nil ? (m: 12, n: panelColumns, k: 16, all: 1 << 19) : (m: 4, n: 8, k: 8, all: 1 << 13)
    guard PanelKernels.fits(m, n, k), m >= least.m, n >= least.n, k >= least.k,
      Cost.product([m, n, k]) >= least.all
    else { return nil }
    (self.kernels, self.m, self.n, self.k, self.unfolded, self.kept) = (kernels, m, n, k, unfolded, kept)
    slots = kernels.slots(k)
    let steps = (slots + 511) / 512
    depth = (slots + steps - 1) / steps
    let mostRows = 112 / panelRows * panelRows
    rows = kernels.whole(rows: (m + (m - 1) / mostRows) / ((m - 1) / mostRows + 1))
    let fitting = Self.blockBytes / (MemoryLayout<Float>.size * slots) / panelColumns * panelColumns
    block = min(kernels.whole(columns: n), max(fitting, 4 * panelColumns))
    // Two dozen items keep a few threads busy.
    let rowItems = (m + rows - 1) / rows
    let columnItems = (24 + rowItems - 1) / rowItems
    columns = max(kernels.whole(columns: (block + columnItems - 1) / columnItems), 2 * panelColumns)
    sharesLeft = kept == .left || rowItems < 12 && m * slots <= 1 << 20
    streamsRight =
      kept == nil && sharesLeft && unfolded == 0 && kernels.panels(columns: n) >= 32
      && slots * panelColumns <= 1 << 18
  }

  /// Elements of a panel of all steps, with room behind it.
  var leftPanel: Int { slots * kernels.rows + 16 }
  var rightPanel: Int { slots * kernels.columns }

  /// Elements that all threads see.
  var sharedCount: Int {
    packedLeftPanels * leftPanel
      + (streamsRight || kept == .right ? 0 : kernels.panels(columns: block) * rightPanel)
  }

  /// Panels of the left matrix that a run packs for all threads.
  var packedLeftPanels: Int { sharesLeft && kept != .left ? kernels.panels(rows: m) : 0 }

  /// Panels that are packed at a time.
  let chunk = 4

  /// Elements of scratch memory that one thread needs.
  var scratchCount: Int {
    if streamsRight { return rightPanel }
    return max(sharesLeft ? 0 : kernels.panels(rows: rows) * leftPanel, unfolded * chunk * kernels.columns)
  }

  func byteCount(threads: Int) -> Int {
    SharedScratch<Float>.byteCount(sharedCount)
      + (scratchCount == 0 ? 0 : SlottedScratch<Float>.byteCount(scratchCount, threads: threads))
  }

  /// Calls `body` with the slots of each step.
  func steps(_ body: (Range<Int>) -> Void) {
    for first in stride(from: 0, to: slots, by: depth) { body(first..<min(slots, first + depth)) }
  }

  /// Packs rows of A for all steps, a panel after the other.
  func packLeft(
    _ a: MatrixOperand<Float>, _ alpha: Float, _ rows: Range<Int>, to target: UnsafeMutablePointer<Float>
  ) {
    let (panelRows, elements, pack) = (kernels.rows, kernels.elements, kernels.table.pointee.pack_left!)
    for (panel, row) in stride(from: rows.lowerBound, to: rows.upperBound, by: panelRows).enumerated() {
      steps { step in
        let (first, last) = (step.lowerBound * elements, min(k, step.upperBound * elements))
        pack(
          a.isTransposed ? 1 : 0, a.from(row: row, column: first), a.stride,
          min(panelRows, rows.upperBound - row), last - first, alpha,
          target + panel * leftPanel + step.lowerBound * panelRows)
      }
    }
  }

  /// Packs the columns of B from one on for all steps.
  func packRight(_ b: MatrixOperand<Float>, _ column: Int, to target: UnsafeMutablePointer<Float>) {
    kernels.table.pointee.pack_right(
      b.isTransposed ? 1 : 0, b.from(row: 0, column: column), b.stride, min(kernels.columns, n - column), k,
      target)
  }
}

/// C = alpha · A · B + addend by panels.
struct PanelProduct {
  let plan: PanelPlan
  let product: MatrixProduct<Float>
  /// The panels of the plan's kept matrix.
  private let kept: UnsafeMutablePointer<Float>?
  private let rowStart, columnStart: UnsafePointer<Float>?
  /// Whether the addend has to be in C before.
  private let prefills: Bool

  init(_ plan: PanelPlan, _ product: MatrixProduct<Float>, kept: UnsafeMutablePointer<Float>? = nil) {
    (self.plan, self.product, self.kept) = (plan, product, kept)
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
    let scratch = plan.scratchCount == 0 ? nil : SlottedScratch<Float>(plan.scratchCount, shared.rest)
    let (panelRows, panelColumns) = (plan.kernels.rows, plan.kernels.columns)
    let leftPanels = plan.packedLeftPanels
    let allLeft = plan.kept == .left ? kept! : shared.base
    let packsRight = plan.kept != .right
    if plan.streamsRight, let scratch { return runStreaming(shared.base, scratch, context.pool) }
    let rowItems = (plan.m + plan.rows - 1) / plan.rows
    for start in stride(from: 0, to: plan.n, by: plan.block) {
      let block = start..<min(plan.n, start + plan.block)
      let right =
        packsRight
        ? shared.base + leftPanels * plan.leftPanel : kept! + start / panelColumns * plan.rightPanel
      let packsLeft = start == 0 ? leftPanels : 0
      let rightPanels = packsRight ? plan.kernels.panels(columns: block.count) : 0
      let chunk = plan.chunk
      let leftItems = (packsLeft + chunk - 1) / chunk
      context.pool.forEachWithSlot(leftItems + (rightPanels + chunk - 1) / chunk) { item, slot in
        if item < leftItems {
          let rows = item * chunk * panelRows..<min(plan.m, (item + 1) * chunk * panelRows)
          packLeft(rows, to: shared.base + item * chunk * plan.leftPanel)
        } else {
          let first = (item - leftItems) * chunk
          if let unfold = product.unfoldB, let scratch {
            let columns =
              start + first * panelColumns..<min(block.upperBound, start + (first + chunk) * panelColumns)
            return packUnfolded(columns, unfold, scratch.pointer(slot), to: right + first * plan.rightPanel)
          }
          for panel in first..<min(rightPanels, first + chunk) {
            plan.packRight(product.b, start + panel * panelColumns, to: right + panel * plan.rightPanel)
          }
        }
      }
      let columnItems = (block.count + plan.columns - 1) / plan.columns
      context.pool.forEachWithSlot(rowItems * columnItems) { item, slot in
        let row = item % rowItems * plan.rows
        let column = item / rowItems * plan.columns
        let rows = row..<min(plan.m, row + plan.rows)
        let left: UnsafeMutablePointer<Float>
        if let scratch, !plan.sharesLeft {
          left = scratch.pointer(slot)
          packLeft(rows, to: left)
        } else {
          left = allLeft + row / panelRows * plan.leftPanel
        }
        multiply(
          rows, start + column..<min(block.upperBound, start + column + plan.columns), left,
          right + column / panelColumns * plan.rightPanel)
      }
    }
  }

  /// Packs the left matrix, then the right one panel by panel where it is multiplied.
  private func runStreaming(
    _ left: UnsafeMutablePointer<Float>, _ scratch: SlottedScratch<Float>, _ pool: ThreadPool
  ) {
    let (panelRows, width) = (plan.kernels.rows, plan.kernels.columns)
    let (leftPanels, rightPanels) = (plan.kernels.panels(rows: plan.m), plan.kernels.panels(columns: plan.n))
    pool.forEach((leftPanels + plan.chunk - 1) / plan.chunk) { item in
      let first = item * plan.chunk
      packLeft(
        first * panelRows..<min(plan.m, (first + plan.chunk) * panelRows), to: left + first * plan.leftPanel)
    }
    let group = max(1, rightPanels / 32)
    pool.forEachWithSlot((rightPanels + group - 1) / group) { item, slot in
      let right = scratch.pointer(slot)
      let last = min(rightPanels, (item + 1) * group)
      for panel in item * group..<last {
        plan.packRight(product.b, panel * width, to: right)
        // Threads take turns: an item's thread will take the one that comes after the others'.
        let next = panel + 1 < last ? panel + 1 : (item + pool.threadCount) * group
        multiply(
          0..<plan.m, panel * width..<min(plan.n, (panel + 1) * width), left, right,
          next: next < rightPanels ? next * width : nil)
      }
    }
  }

  /// Asks for a part of the columns of B from one on: that of slots in a step beside one of its panels of rows.
  private func prefetchRight(_ column: Int, _ step: Range<Int>, _ panel: Int, of panels: Int) {
    let (b, elements) = (product.b, plan.kernels.elements)
    let first = (step.lowerBound + step.count * panel / panels) * elements
    let last = min(plan.k, (step.lowerBound + step.count * (panel + 1) / panels) * elements)
    guard first < last else { return }
    plan.kernels.functions.prefetch_right(
      b.isTransposed ? 1 : 0, b.from(row: first, column: column), b.stride,
      min(plan.kernels.columns, plan.n - column),
      last - first)
  }

  private func packLeft(_ rows: Range<Int>, to target: UnsafeMutablePointer<Float>) {
    plan.packLeft(product.a, product.alpha, rows, to: target)
  }

  /// Packs columns of B that are made on the way, some rows at a time.
  private func packUnfolded(
    _ columns: Range<Int>, _ unfold: MatrixProduct<Float>.Unfold, _ made: UnsafeMutablePointer<Float>,
    to target: UnsafeMutablePointer<Float>
  ) {
    let (width, elements, pack) = (
      plan.kernels.columns, plan.kernels.elements, plan.kernels.functions.pack_right!
    )
    for row in stride(from: 0, to: plan.k, by: plan.unfolded) {
      let rows = row..<min(plan.k, row + plan.unfolded)
      unfold(rows, columns, made)
      for (panel, column) in stride(from: 0, to: columns.count, by: width).enumerated() {
        pack(
          0, made + column, columns.count, min(width, columns.count - column), rows.count,
          target + panel * plan.rightPanel + row / elements * width)
      }
    }
  }

  /// - Parameter next: columns of B from this one on will be packed next.
  private func multiply(
    _ rows: Range<Int>, _ columns: Range<Int>, _ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>,
    next: Int? = nil
  ) {
    let table = plan.kernels.table
    let (panelRows, panelColumns, panel, panels) = (
      table.pointee.rows, table.pointee.columns, table.pointee.panel!, table.pointee.panels!
    )
    if prefills { product.prefill(rows, columns) }
    // Columns whose part of C stays near while the steps add to it.
    let near = 512 / panelColumns * panelColumns
    for group in stride(from: columns.lowerBound, to: columns.upperBound, by: near) {
      plan.steps { step in
        let adds: Int32 = prefills || step.lowerBound > 0 ? 1 : 0
        let starts = step.lowerBound == 0
        for column in stride(from: group, to: min(columns.upperBound, group + near), by: panelColumns) {
          let ownRight =
            right + (column - columns.lowerBound) / panelColumns * plan.rightPanel + step.lowerBound
            * panelColumns
          let width = min(panelColumns, columns.upperBound - column)
          var ownLeft = left + step.lowerBound * panelRows
          guard let next else {
            panels(
              step.count, ownLeft, plan.leftPanel, ownRight,
              product.c + rows.lowerBound * product.strideC + column, product.strideC, rows.count, width,
              adds,
              starts ? rowStart.map { $0 + rows.lowerBound } : nil,
              starts ? columnStart.map { $0 + column } : nil)
            continue
          }
          for row in stride(from: rows.lowerBound, to: rows.upperBound, by: panelRows) {
            prefetchRight(next, step, row / panelRows, of: plan.kernels.panels(rows: plan.m))
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
