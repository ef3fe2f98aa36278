import CKernels
import GraphIR

/// A processor's panel kernels.
struct PanelKernels: @unchecked Sendable {
  /// Never changes.
  let table: UnsafePointer<ck_panels>

  private static let float32 = ck_panels_available(0, 0).map(PanelKernels.init)
  private static let bfloat16 = ck_panels_available(1, 0).map(PanelKernels.init)

  /// The best ones; nil where there are none.
  static func best(_ precision: ProductPrecision) -> PanelKernels? {
    switch precision {
    case .float32: float32
    case .bfloat16: bfloat16
    }
  }

  var functions: ck_panels { table.pointee }

  /// Rows of a left panel and columns of a right one.
  var rows: Int { table.pointee.rows }
  var columns: Int { table.pointee.columns }

  /// Elements of a slot, and the slots that so many elements take.
  var elements: Int { table.pointee.elements }
  func slots(_ count: Int) -> Int { (count + elements - 1) / elements }

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
