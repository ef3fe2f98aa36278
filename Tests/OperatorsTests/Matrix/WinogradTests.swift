import CKernels
import GraphIR
import TestSupport
import Testing

@testable import Operators

@Suite("3×3 convolutions as Winograd has them")
struct WinogradTests {
  /// Batch, input and output channels, height, width.
  static let shapes = [
    [1, 8, 8, 16, 16], [1, 20, 33, 8, 8], [2, 37, 30, 9, 7], [3, 16, 14, 5, 5], [1, 9, 100, 33, 65],
    [1, 300, 15, 12, 20], [5, 64, 29, 8, 8], [1, 12, 8, 130, 70], [1, 700, 60, 16, 16], [7, 30, 9, 4, 4],
    // Blocks of tiles that begin in the middle of an image.
    [2, 700, 8, 36, 40], [3, 700, 12, 18, 33],
  ]

  private static func shape(_ e: [Int]) -> ConvolutionShape {
    func axis(_ extent: Int) -> ConvolutionAxis {
      ConvolutionAxis(input: extent, kernel: 3, padding: 1, output: extent)
    }
    return ConvolutionShape(
      batch: e[0], groups: 1, inputChannels: e[1], outputChannels: e[2], axes: [axis(e[3]), axis(e[4])])
  }

  @Test("Every instruction set gives what the direct sum in float64 gives", arguments: shapes)
  func agrees(_ extents: [Int]) throws {
    let shape = Self.shape(extents)
    var random = Seeded(UInt64(extents.reduce(0) { $0 * 31 + $1 }))
    let x = random.tensor([extents[0], extents[1], extents[3], extents[4]])
    let w = random.tensor([extents[2], extents[1], 3, 3])
    let b = random.tensor([extents[2]])
    let expected = Tensor(.float64, [extents[0], extents[2], extents[3], extents[4]])
    let wide = [x, w, b].map { $0.converted(to: .float64) }
    withExtendedLifetime(wide) {
      Convolution(
        plan: ConvolutionPlan(shape), precision: .float32, x: wide[0].pointer(as: Double.self),
        w: wide[1].pointer(as: Double.self),
        bias: wide[2].pointer(as: Double.self), y: expected.pointer(as: Double.self)
      ).run(RunContext(pool: ThreadPool(threads: 1), workspace: .init(start: nil, count: 0)))
    }
    for tile in WinogradTile.allCases {
      // Of the peak; the products of larger tiles err more.
      let limit = [WinogradTile.twoByTwo: 2e-6, .twoByFour: 4e-6, .fourByFour: 1e-5][tile]!
      try check(tile, shape, x, w, b, expected, bfloat16: 0, limit: limit)
      try check(tile, shape, x, w, b, expected, bfloat16: 1, limit: 5e-2)
    }
  }

  private func check(
    _ tile: WinogradTile, _ shape: ConvolutionShape, _ x: Tensor, _ w: Tensor, _ b: Tensor,
    _ expected: Tensor,
    bfloat16: Int32, limit: Double
  ) throws {
    var index = 0
    while let table = ck_panels_available(bfloat16, index) {
      defer { index += 1 }
      guard let plan = WinogradPlan(shape, PanelKernels(table: table), [tile]) else {
        // The smallest tile pays for all of these.
        #expect(tile != .twoByTwo)
        continue
      }
      var results: [[Float]] = []
      for threads in [1, 3] {
        let y = Tensor(.float32, expected.shape)
        y.pointer(as: Float.self).update(repeating: .nan, count: y.count)
        let context = RunContext(pool: ThreadPool(threads: threads), workspace: .init(start: nil, count: 0))
        withExtendedLifetime((x, w, b)) {
          WinogradConvolution(
            plan: plan, x: x.pointer(as: Float.self), w: w.pointer(as: Float.self),
            bias: b.pointer(as: Float.self),
            y: y.pointer(as: Float.self)
          ).run(context)
        }
        results.append(y.array(of: Float.self))
        #expect(Comparison.relativeToPeak(y, expected) < limit, "kernels \(index), \(tile)")
      }
      #expect(results[0] == results[1])
    }
  }

  @Test("Metadata of a node settles the largest tile, and another word is refused")
  func metadata() throws {
    let set = OperatorSet(OperatorSet.matrix, opsets: 7...28)
    func bound(_ metadata: [String: String]) throws -> Conv {
      let node = Node("Conv", name: "n", inputs: ["x", "w"], outputs: ["y"], metadata: metadata)
      return try #require(try set.bind(node, opset: 22) as? Conv)
    }
    #expect(try bound([:]).tiles == [.twoByTwo, .twoByFour])
    #expect(try bound(["dsd.winograd": "4x4"]).tiles == [.twoByTwo, .twoByFour, .fourByFour])
    #expect(try bound(["dsd.winograd": "=2x4"]).tiles == [.twoByFour])
    #expect(try bound(["dsd.winograd": "none"]).tiles == [])
    #expect(try bound(["dsd.precision": "bfloat16"]).precision == .bfloat16)
    for metadata in [["dsd.winograd": "5x5"], ["dsd.winograd": "=none"], ["dsd.precision": "half"]] {
      #expect(throws: DataError.self) { try bound(metadata) }
    }
    // Fewer multiplications where tiles are many, no larger tiles where they are few.
    let (large, small) = (Self.shape([1, 64, 64, 64, 64]), Self.shape([1, 64, 64, 4, 4]))
    for largest in WinogradTile.allCases where ck_panels_available(0, 0) != nil {
      let tiles = WinogradTile.allCases.filter { $0 <= largest }
      let plan = try #require(WinogradPlan(large, .float32, tiles))
      #expect(plan.tile.height * plan.tile.width == [.twoByTwo: 4, .twoByFour: 8, .fourByFour: 16][largest])
      #expect(try #require(WinogradPlan(small, .float32, tiles)).tile.planes == 16)
      #expect(WinogradPlan(large, .float32, []) == nil)
    }
  }

  @Test("Small models' tiles do not depend on the number of images", arguments: shapes + [[1, 64, 64, 4, 4]])
  func tilesOfSmallModels(_ extents: [Int]) throws {
    func tile(_ images: Int) -> Int? {
      WinogradPlan(Self.shape([images] + extents.dropFirst())).map { Int($0.tile.planes) }
    }
    for images in [2, 3, 4, 5, 8, 64] { #expect(tile(images) == tile(1)) }
    #expect(tile(0) == nil)
    // Nor does the layout of kernels that are kept.
    func kept(_ images: Int) -> [Int]? {
      WinogradPlan(Self.shape([images] + extents.dropFirst()), keepsWeights: true).map {
        [$0.keptCount, $0.outputPanels, $0.depth]
      }
    }
    for images in [2, 3, 4, 5, 8, 64] { #expect(kept(images) == kept(1)) }
  }

  @Test("Large kernels that are kept have one layout too")
  func largeKeptKernels() throws {
    func kept(_ images: Int) -> [Int]? {
      WinogradPlan(Self.shape([images, 512, 512, 8, 8]), keepsWeights: true).map {
        [$0.keptCount, $0.outputPanels, $0.depth, Int($0.tile.planes)]
      }
    }
    for images in [2, 3, 5, 8] { #expect(kept(images) == kept(1)) }
  }

  @Test("Other convolutions and tiny ones are left to the direct sum")
  func declines() throws {
    #expect(WinogradPlan(Self.shape([1, 64, 64, 2, 2])) == nil)
    #expect(WinogradPlan(Self.shape([1, 4, 64, 32, 32])) == nil)
    var axis = ConvolutionAxis(input: 32, kernel: 3, padding: 1, output: 32)
    func plan(_ axes: [ConvolutionAxis], groups: Int = 1) -> WinogradPlan? {
      WinogradPlan(
        ConvolutionShape(batch: 1, groups: groups, inputChannels: 64, outputChannels: 64, axes: axes))
    }
    #expect((plan([axis, axis]) == nil) == (ck_panels_available(0, 0) == nil))
    #expect(plan([axis, axis], groups: 2) == nil)
    #expect(plan([axis]) == nil)
    axis.stride = 2
    axis.output = 16
    #expect(plan([axis, axis]) == nil)
  }
}
