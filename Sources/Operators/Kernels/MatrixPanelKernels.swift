import CKernels
import GraphIR

/// A processor's panel kernels.
struct PanelKernels: @unchecked Sendable {
  /// Never changes.
  let table: UnsafePointer<ck_panels>

  /// The best ones; nil where there are none.
  static let best: PanelKernels? = ck_panels_available(0).map(PanelKernels.init)

  var functions: ck_panels { table.pointee }

  /// Rows of a left panel and columns of a right one.
  var rows: Int { table.pointee.rows }
  var columns: Int { table.pointee.columns }

  func panels(rows count: Int) -> Int { (count + rows - 1) / rows }
  func panels(columns count: Int) -> Int { (count + columns - 1) / columns }

  /// The rows or columns of whole panels that so many need.
  func whole(rows count: Int) -> Int { panels(rows: count) * rows }
  func whole(columns count: Int) -> Int { panels(columns: count) * columns }

  /// Whether extents are small enough to be multiplied by each other without care.
  static func fits(_ extents: Int...) -> Bool { extents.allSatisfy { $0 < 1 << 31 } }
}

/// How products of one size are computed by panels.
struct Panels<T: MatrixScalar> {
  /// Bytes of scratch memory, by the number of threads.
  let byteCount: (Int) -> Int
  let run: (MatrixProduct<T>, RunContext) -> Void
}
