import GraphIR
import TestSupport
import Testing

@Suite struct RegionTests {
  @Test func boxesThatOverlapGo() throws {
    let boxes = Tensor(
      [0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, -0.1, 1, 0.9, 0, 10, 1, 11] as [Float], shape: [1, 4, 4])
    let scores = Tensor([0.9, 0.75, 0.6, 0.95, 0.2, 0.2, 0.1, 0.3] as [Float], shape: [1, 2, 4])
    func run(_ limit: Int64, _ overlap: Float?, _ least: Float?) throws -> [Int64] {
      let y = try OperatorHarness.runOperator(
        "NonMaxSuppression",
        [
          boxes, scores, Tensor(scalar: limit), overlap.map { Tensor(scalar: $0) },
          least.map { Tensor(scalar: $0) },
        ])[0]
      #expect(y.shape == [y.count / 3, 3])
      return y.array()
    }
    #expect(try run(3, 0.5, 0.5) == [0, 0, 3, 0, 0, 0])
    #expect(try run(3, 0.5, nil) == [0, 0, 3, 0, 0, 0, 0, 1, 3, 0, 1, 0])
    #expect(try run(1, 0.99, 0) == [0, 0, 3, 0, 1, 3])
    #expect(try run(9, 1, 0.7) == [0, 0, 3, 0, 0, 0, 0, 0, 1])
    #expect(try run(0, 0.5, 0) == [] && run(-1, 0.5, 0) == [])
    let centered = try OperatorHarness.runOperator(
      "NonMaxSuppression",
      [
        Tensor([1, 1, 2, 2, 1.1, 1, 2, 2, 5, 5, 2, 2] as [Float], shape: [1, 3, 4]),
        Tensor([0.5, 0.6, 0.4] as [Float], shape: [1, 1, 3]), Tensor(scalar: Int64(3)),
        Tensor(scalar: Float(0.5)),
      ], attributes: ["center_point_box": .int(1)])[0]
    #expect(centered.array() == [0, 0, 1, 0, 0, 2] as [Int64])
    #expect(throws: DataError.self) {
      try OperatorHarness.runOperator("NonMaxSuppression", [boxes, .zeros(.float32, [1, 2, 3])])
    }
  }

  @Test func alignedRegions() throws {
    // A plane that rises by 1 to the right and by 10 down: sample means are values at cell centres.
    let plane = (0..<64).map { (place: Int) -> Float in Float(place % 8 + place / 8 * 10) }
    let x = Tensor(plane, shape: [1, 1, 8, 8])
    func run(_ roi: [Float], opset: Int = 22, _ attributes: [String: Attribute] = [:]) throws -> [Float] {
      let shape: [String: Attribute] = ["output_height": .int(2), "output_width": .int(2)]
      return try OperatorHarness.runOperator(
        "RoiAlign", opset: opset, [x, Tensor(roi, shape: [1, 4]), Tensor([0] as [Int64], shape: [1])],
        attributes: shape.merging(attributes) { $1 })[0].array()
    }
    #expect(try run([1, 2, 5, 6]) == [26.5, 28.5, 46.5, 48.5])
    #expect(try run([1, 2, 5, 6], opset: 10) == [32, 34, 52, 54])
    #expect(try run([2, 4, 10, 12], ["spatial_scale": .float(0.5)]) == [26.5, 28.5, 46.5, 48.5])
    #expect(try run([20, 20, 24, 24]) == [0, 0, 0, 0])
    // One sample a cell, half way between four pixels: the largest weighted neighbour is a quarter of one.
    #expect(
      try run([1, 1, 5, 5], opset: 10, ["mode": .string("max"), "sampling_ratio": .int(1)]) == [
        22, 24, 42, 44,
      ])
    #expect(throws: DataError.self) { try run([0, 0, .nan, 1]) }
    #expect(throws: DataError.self) { try run([0, 0, 1e30, 1]) }
    // A region turned inside out, however far, has no samples.
    #expect(try run([0, 0, -.infinity, 1]) == [0, 0, 0, 0])
    #expect(throws: DataError.self) {
      try run([0, 0, 1, 1], ["output_height": .int(1 << 12), "sampling_ratio": .int(1 << 10)])
    }
    #expect(throws: DataError.self) { try run([0, 0, 1, 1], ["mode": .string("min")]) }
    #expect(throws: DataError.self) {
      try OperatorHarness.runOperator(
        "RoiAlign", [x, .zeros(.float32, [1, 4]), Tensor([1] as [Int64], shape: [1])])
    }
  }

  @Test func pooledRegions() throws {
    let x = Tensor((0..<16).map { Float($0) }, shape: [1, 1, 4, 4])
    func run(_ roi: [Float], _ shape: [Int] = [2, 2]) throws -> [Float] {
      try OperatorHarness.runOperator(
        "MaxRoiPool", [x, Tensor(roi, shape: [1, 5])], attributes: ["pooled_shape": .ints(shape)])[0].array()
    }
    #expect(try run([0, 0, 0, 3, 3]) == [5, 7, 13, 15])
    #expect(try run([0, 1, 1, 1, 1]) == [5, 5, 5, 5])
    #expect(try run([0, 2, 2, 9, 9]) == [15, 0, 0, 0])
    #expect(throws: DataError.self) { try run([1, 0, 0, 1, 1]) }
    #expect(throws: DataError.self) { try run([0, .nan, 0, 1, 1]) }
    #expect(throws: DataError.self) { try run([0, 0, 0, 1, 1], [2]) }
  }

  @Test func foldsColumns() throws {
    // Blocks of 2 × 2 on 3 × 3: each pixel gets one summand from every block that covers it.
    let ones = Tensor([Float](repeating: 1, count: 16), shape: [1, 4, 4])
    func run(_ x: Tensor, _ image: [Int64], _ block: [Int64], _ attributes: [String: Attribute] = [:]) throws
      -> Tensor
    {
      try OperatorHarness.runOperator(
        "Col2Im", [x, Tensor(image, shape: [image.count]), Tensor(block, shape: [block.count])],
        attributes: attributes, threads: 2)[0]
    }
    #expect(try run(ones, [3, 3], [2, 2]).array() == [1, 2, 1, 2, 4, 2, 1, 2, 1] as [Float])
    let columns = Tensor((0..<4).map { Int32($0) }, shape: [1, 2, 2])
    #expect(try run(columns, [4], [2], ["strides": .ints([2])]).array() == [0, 2, 1, 3] as [Int32])
    #expect(try run(columns, [1], [2], ["pads": .ints([1, 1])]).array() == [3] as [Int32])
    #expect(throws: DataError.self) { try run(ones, [3, 4], [2, 2]) }
    #expect(throws: DataError.self) { try run(ones, [3, 3], [3, 1]) }
    #expect(throws: DataError.self) { try run(ones, [1, 1], [2, 2]) }
    #expect(throws: DataError.self) { try run(ones, [3, 3], [2]) }
  }
}
