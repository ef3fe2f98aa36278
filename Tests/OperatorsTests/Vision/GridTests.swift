import Foundation
import GraphIR
import TestSupport
import Testing

@Suite struct GridTests {
  private func sample(_ x: Tensor, _ grid: Tensor, _ attributes: [String: Attribute], threads: Int = 1) throws
    -> Tensor
  {
    try OperatorHarness.runOperator(
      "GridSample", opset: 22, [x, grid], attributes: attributes, threads: threads)[0]
  }

  /// The grid of an identity reads an image as it is, in two and three dimensions, whatever the mode.
  @Test(arguments: ["nearest", "linear", "cubic"]) func identity(mode: String) throws {
    var random = Seeded(6)
    let cases: [(shape: [Int], theta: [Float])] = [
      ([2, 3, 4, 5], [1, 0, 0, 0, 1, 0]), ([1, 2, 3, 2, 4], [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]),
    ]
    for (shape, theta) in cases {
      let x = random.tensor(shape)
      let rank = shape.count - 2
      for corners in [0, 1] {
        let matrices = Tensor((0..<shape[0]).flatMap { _ in theta }, shape: [shape[0], rank, rank + 1])
        let grid = try OperatorHarness.runOperator(
          "AffineGrid", [matrices, Tensor(shape.map { Int64($0) }, shape: [rank + 2])],
          attributes: ["align_corners": .int(corners)], threads: 2)[0]
        #expect(grid.shape == [shape[0]] + shape[2...] + [rank])
        let attributes: [String: Attribute] = ["mode": .string(mode), "align_corners": .int(corners)]
        let y = try sample(x, grid, attributes)
        #expect(Comparison.largestDifference(y, x) < 1e-5)
        #expect(y.isIdentical(to: try sample(x, grid, attributes, threads: 2)))
      }
    }
  }

  @Test func pixelsAndPadding() throws {
    let x = Tensor([1, 2, 4, 8] as [Float], shape: [1, 1, 1, 4])
    /// Reads at pixel coordinates along the row.
    func read(_ pixels: [Float], _ padding: String, _ mode: String = "linear", corners: Int = 0) throws
      -> [Float]
    {
      var grid: [Float] = []
      for pixel in pixels {
        grid.append(corners == 1 ? pixel * 2 / 3 - 1 : (pixel * 2 + 1) / 4 - 1)
        grid.append(0)
      }
      return try sample(
        x, Tensor(grid, shape: [1, 1, pixels.count, 2]),
        ["padding_mode": .string(padding), "mode": .string(mode), "align_corners": .int(corners)]
      ).array()
    }
    #expect(try read([0.5, -0.5, 3.25, 4, 9], "zeros") == [1.5, 0.5, 6, 0, 0])
    #expect(try read([-0.5, 3.25, 9], "border") == [1, 8, 8])
    // Mirrors at the edges -0.5 and 3.5, or at the centres of the outer pixels.
    #expect(try read([-1, -2, 4, 4.5, 8], "reflection") == [1, 2, 8, 6, 1])
    #expect(
      try read([-1, -2, 4, 6], "reflection", corners: 1).map { ($0 * 1000).rounded() / 1000 } == [2, 4, 4, 1])
    #expect(try read([0.5, 1.5, 2.6], "zeros", "nearest") == [1, 4, 8])
    #expect(try read([.nan, .infinity, -.infinity, 1e30], "border")[1...] == [8, 1, 8])
    #expect(try read([.nan, .infinity, 1e30], "zeros") == [0, 0, 0])
    #expect(try read([.nan, .infinity, 1e30], "reflection").allSatisfy { $0.isFinite })
    // Keys' cubic with a = -0.75 half way: -3/32, 19/32, 19/32, -3/32.
    let middle = try read([1.5], "zeros", "cubic")[0]
    #expect(abs(Double(middle) - (2.71875)) < 1e-5)
  }

  @Test func refuses() throws {
    let x = Tensor.zeros(.float32, [1, 1, 2, 2])
    #expect(throws: DataError.self) { try sample(x, .zeros(.float32, [2, 1, 1, 2]), [:]) }
    #expect(throws: DataError.self) { try sample(x, .zeros(.float32, [1, 1, 1, 3]), [:]) }
    #expect(throws: DataError.self) {
      try sample(x, .zeros(.float32, [1, 1, 1, 2]), ["mode": .string("area")])
    }
    #expect(throws: DataError.self) {
      try sample(.zeros(.float32, [1, 1, 0, 2]), .zeros(.float32, [1, 1, 1, 2]), [:])
    }
    #expect(try sample(x, .zeros(.float32, [1, 0, 3, 2]), [:]).shape == [1, 1, 0, 3])
    func grid(_ theta: [Int], _ size: [Int64]) throws {
      _ = try OperatorHarness.runOperator(
        "AffineGrid", [.zeros(.float32, theta), Tensor(size, shape: [size.count])])
    }
    #expect(throws: DataError.self) { try grid([1, 2, 4], [1, 1, 2, 2]) }
    #expect(throws: DataError.self) { try grid([1, 2, 3], [2, 1, 2, 2]) }
    #expect(throws: DataError.self) { try grid([1, 2, 3], [1, 1, -2, 2]) }
    #expect(throws: DataError.self) { try grid([1, 2, 3], [1, 1, 1 << 40, 1 << 40]) }
  }
}
