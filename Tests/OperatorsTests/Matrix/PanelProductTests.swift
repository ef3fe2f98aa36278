import CKernels
import GraphIR
import TestSupport
import Testing

@testable import Operators

@Suite("Products by panels")
struct PanelProductTests {
  /// Rows, columns, inner extent.
  static let extents = [
    [14, 32, 2000], [77, 100, 100], [13, 300, 200], [113, 33, 170], [500, 70, 30], [1500, 40, 16],
    [29, 1300, 520],
    [40, 900, 4000], [240, 48, 1025], [60, 1040, 150], [18, 2085, 700],
  ]

  enum Addend: CaseIterable { case none, row, column, whole }

  private static func product(
    _ e: [Int], _ a: Tensor, _ b: Tensor, _ c: Tensor, _ y: Tensor, _ transposes: (Bool, Bool),
    _ addend: Addend
  ) -> MatrixProduct<Float> {
    let (m, n, k) = (e[0], e[1], e[2])
    let base = UnsafePointer(c.pointer(as: Float.self))
    let factor: Float = addend == .whole ? 0.5 : 1
    let strides = [Addend.row: (1, 0), .column: (0, 1), .whole: (n, 1)]
    return MatrixProduct<Float>(
      m: m, n: n, k: k,
      a: MatrixOperand(a.pointer(as: Float.self), stride: transposes.0 ? m : k, isTransposed: transposes.0),
      b: MatrixOperand(b.pointer(as: Float.self), stride: transposes.1 ? k : n, isTransposed: transposes.1),
      c: y.pointer(as: Float.self), strideC: n, alpha: addend == .none ? 1 : 0.75,
      addend: strides[addend].map {
        MatrixAddend(base: base, rowStride: $0.0, columnStride: $0.1, factor: factor)
      })
  }

  /// Random matrices for every kind of addend, stored as they are or transposed.
  private static func forEachForm(
    _ e: [Int], _ body: (_ a: Tensor, _ b: Tensor, _ c: Tensor, (Bool, Bool), Addend) throws -> Void
  ) rethrows {
    var random = Seeded(UInt64(e.reduce(0) { $0 * 31 + $1 }))
    let (m, n, k) = (e[0], e[1], e[2])
    for (number, addend) in Addend.allCases.enumerated() {
      let transposes = (number % 2 == 1, number > 1)
      let a = random.tensor(transposes.0 ? [k, m] : [m, k])
      let b = random.tensor(transposes.1 ? [n, k] : [k, n])
      try body(a, b, random.tensor([m, n]), transposes, addend)
    }
  }

  @Test("Every instruction set gives what BLAS gives, whatever the number of threads", arguments: extents)
  func agrees(_ e: [Int]) throws {
    let (m, n, k) = (e[0], e[1], e[2])
    try Self.forEachForm(e) { a, b, c, transposes, addend in
      let expected = Tensor(.float32, [m, n])
      withExtendedLifetime((a, b, c)) {
        Self.product(e, a, b, c, expected, transposes, addend).run(rows: 0..<m, columns: 0..<n)
      }
      var index = 0
      while let table = ck_panels_available(0, index) {
        let plan = try #require(PanelPlan(m, n, k, PanelKernels(table: table)))
        var results: [[Float]] = []
        for threads in [1, 3] {
          let y = Tensor(.float32, [m, n])
          y.pointer(as: Float.self).update(repeating: .nan, count: y.count)
          // Scratch memory in the plan's size, with something behind it that must stay.
          let room = Storage(byteCount: plan.byteCount(threads: threads) + 64)
          let last = room.base + plan.byteCount(threads: threads)
          last.storeBytes(of: 0x5EED, as: Int.self)
          let workspace = UnsafeMutableRawBufferPointer(
            start: room.base, count: plan.byteCount(threads: threads))
          withExtendedLifetime((a, b, c, room)) {
            PanelProduct(plan, Self.product(e, a, b, c, y, transposes, addend))
              .run(RunContext(pool: ThreadPool(threads: threads), workspace: workspace))
          }
          #expect(last.load(as: Int.self) == 0x5EED)
          results.append(y.array(of: Float.self))
          #expect(Comparison.relativeToPeak(y, expected) < 2e-6, "kernels \(index), \(addend)")
        }
        #expect(results[0] == results[1])
        index += 1
      }
    }
  }

  /// Elements rounded to bfloat16, after a factor.
  private static func rounded(_ x: Tensor, times factor: Float = 1) -> Tensor {
    Tensor(x.array(of: Float.self).map { $0 * factor }, shape: x.shape).converted(to: .bfloat16)
      .converted(to: .float32)
  }

  @Test("bfloat16 rounds the factors and nothing else", arguments: extents)
  func bfloat16(_ e: [Int]) throws {
    let (m, n, k) = (e[0], e[1], e[2])
    try Self.forEachForm(e) { a, b, c, transposes, addend in
      let expected = Tensor(.float32, [m, n])
      let (left, right) = (Self.rounded(a, times: addend == .none ? 1 : 0.75), Self.rounded(b))
      withExtendedLifetime((left, right, c)) {
        var product = Self.product(e, left, right, c, expected, transposes, addend)
        product.alpha = 1
        product.run(rows: 0..<m, columns: 0..<n)
      }
      var index = 0
      while let table = ck_panels_available(1, index) {
        let plan = try #require(PanelPlan(m, n, k, PanelKernels(table: table)))
        let y = Tensor(.float32, [m, n])
        y.pointer(as: Float.self).update(repeating: .nan, count: y.count)
        withExtendedLifetime((a, b, c)) {
          PanelProduct(plan, Self.product(e, a, b, c, y, transposes, addend))
            .run(RunContext(pool: ThreadPool(threads: 2), workspace: .init(start: nil, count: 0)))
        }
        #expect(Comparison.relativeToPeak(y, expected) < 2e-6, "kernels \(index), \(addend)")
        index += 1
      }
    }
  }

  @Test("What is not finite stays so in bfloat16")
  func notFinite() throws {
    let (m, n, k) = (28, 64, 64)
    var values = [Float](repeating: 1, count: m * k)
    values[0] = .nan
    values[k] = .infinity
    values[2 * k] = -.infinity
    values[3 * k] = Float(bitPattern: 0x7F7F_FFFF)
    values[4 * k] = Float(bitPattern: 0x7FFF_FFFF)
    let (a, b) = (Tensor(values, shape: [m, k]), Tensor([Float](repeating: 1, count: k * n), shape: [k, n]))
    var index = 0
    while let table = ck_panels_available(1, index) {
      let kernels = PanelKernels(table: table)
      var left = [Float](repeating: 0, count: kernels.slots(k) * kernels.rows + 16)
      withExtendedLifetime(a) {
        kernels.functions.pack_left(0, a.pointer(as: Float.self), k, kernels.rows, k, 1, &left)
      }
      var right = [Float](repeating: 0, count: kernels.slots(k) * kernels.columns)
      withExtendedLifetime(b) {
        kernels.functions.pack_right(0, b.pointer(as: Float.self), n, kernels.columns, k, &right)
      }
      var c = [Float](repeating: 0, count: kernels.rows * kernels.columns)
      kernels.functions.panel(
        kernels.slots(k), left, right, &c, kernels.columns, kernels.rows, kernels.columns, 0, nil, nil)
      #expect(c[0].isNaN && c[4 * kernels.columns].isNaN, "kernels \(index)")
      #expect(c[kernels.columns] == .infinity && c[2 * kernels.columns] == -.infinity, "kernels \(index)")
      // The largest float32 is above the largest bfloat16.
      #expect(c[3 * kernels.columns] == .infinity, "kernels \(index)")
      #expect(c[5 * kernels.columns] == Float(k))
      index += 1
    }
  }

  @Test("Small products are left to BLAS")
  func declines() {
    for e in [[1, 4096, 4096], [4096, 1, 4096], [64, 64, 8], [32, 32, 32]] {
      #expect(PanelPlan(e[0], e[1], e[2]) == nil)
    }
    #expect((PanelPlan(4096, 320, 320) == nil) == (ck_panels_available(0, 0) == nil))
  }

  @Test("Extents that a file may claim make no plan, and no trap")
  func hostile() throws {
    for extent in [1 << 31, 1 << 40, Int.max / 2, Int.max] {
      for place in 0..<3 {
        var e = [64, 64, 64]
        e[place] = extent
        #expect(PanelPlan(e[0], e[1], e[2]) == nil)
      }
      for place in 0..<5 {
        var e = [1, 64, 64, 32, 32]
        e[place] = extent
        func axis(_ extent: Int) -> ConvolutionAxis {
          ConvolutionAxis(input: extent, kernel: 3, padding: 1, output: extent)
        }
        let shape = ConvolutionShape(
          batch: e[0], groups: 1, inputChannels: e[1], outputChannels: e[2], axes: [axis(e[3]), axis(e[4])])
        #expect(WinogradPlan(shape) == nil)
      }
    }
    // The largest that are planned at all.
    let large = (1 << 31) - 1
    #expect((PanelPlan(large, large, large)?.byteCount(threads: 1 << 10) ?? 1) > 0)
    let set = OperatorSet(OperatorSet.matrix, opsets: 7...28)
    let attention = try set.bind(
      Node("Attention", name: "n", inputs: ["q", "k", "v"], outputs: ["y"]), opset: 23)
    for extent in [1 << 20, large, 1 << 31, 1 << 40, Int.max / 2, Int.max] {
      for shapes in [
        [[1, 1, 64, 64], [1, 1, extent, 64]], [[1, 1, extent, 64], [1, 1, 64, 64]],
        [[1, 1, 64, extent], [1, 1, 64, extent]], [[extent, 1, 64, 64], [extent, 1, 64, 64]],
        [[1, extent, 64, 64], [1, extent, 64, 64]], [[1, 1, extent, extent], [1, 1, extent, extent]],
      ] {
        let types = [shapes[0], shapes[1], shapes[1]].map { TensorType(.float32, $0) }
        #expect(attention.workspace(types, threads: 2) >= 0)
      }
    }
  }
}
