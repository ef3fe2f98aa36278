import GraphIR
import TestSupport
import Testing

@testable import Operators

@Suite struct PoolTests {
  /// Values and counts of one window of `x` `[1, 1, H, W]`, element after element.
  private func plain(
    _ x: Tensor, _ kernel: [Int], _ strides: [Int], _ dilations: [Int], _ pads: [Int], _ output: [Int],
    _ finish: (_ values: [(Float, Int)], _ padded: Int) -> Float
  ) -> [Float] {
    let values = x.array(of: Float.self)
    let (planes, height, width) = (x.shape[0] * x.shape[1], x.shape[2], x.shape[3])
    var result: [Float] = []
    for plane in 0..<planes {
      for i in 0..<output[0] {
        for j in 0..<output[1] {
          var window: [(Float, Int)] = []
          var padded = 0
          for a in 0..<kernel[0] {
            for b in 0..<kernel[1] {
              let row = i * strides[0] + a * dilations[0] - pads[0]
              let column = j * strides[1] + b * dilations[1] - pads[1]
              if row < height + pads[2], column < width + pads[3] { padded += 1 }
              if row >= 0, row < height, column >= 0, column < width {
                let place = (plane * height + row) * width + column
                window.append((values[place], place))
              }
            }
          }
          result.append(finish(window, padded))
        }
      }
    }
    return result
  }

  @Test func againstPlainLoops() throws {
    var random = Seeded(7)
    for trial in 0..<60 {
      let kernel = [Int.random(in: 1...3, using: &random), Int.random(in: 1...4, using: &random)]
      let strides = [Int.random(in: 1...3, using: &random), Int.random(in: 1...3, using: &random)]
      let dilations = [Int.random(in: 1...2, using: &random), Int.random(in: 1...2, using: &random)]
      let pads = (0..<4).map { _ in Int.random(in: 0...1, using: &random) }.enumerated().map {
        kernel[$0.offset % 2] > 1 ? $0.element : 0
      }
      let x = random.tensor([2, 3, Int.random(in: 7...11, using: &random), 9])
      let ceil = trial % 2
      let attributes: [String: Attribute] = [
        "kernel_shape": .ints(kernel), "strides": .ints(strides), "dilations": .ints(dilations),
        "pads": .ints(pads), "ceil_mode": .int(ceil),
      ]
      let output = (0..<2).map { axis in
        let free = x.shape[axis + 2] + pads[axis] + pads[axis + 2] - (kernel[axis] - 1) * dilations[axis] - 1
        var count = free / strides[axis] + 1
        if ceil == 1, free % strides[axis] != 0, count * strides[axis] < x.shape[axis + 2] + pads[axis] {
          count += 1
        }
        return count
      }
      func check(_ op: String, _ extra: [String: Attribute], _ finish: ([(Float, Int)], Int) -> Float) throws
      {
        let expected = plain(x, kernel, strides, dilations, pads, output, finish)
        for threads in [1, 2] {
          let y = try OperatorHarness.runOperator(
            op, opset: 22, [x], attributes: attributes.merging(extra) { $1 }, threads: threads)[0]
          #expect(y.shape == [2, 3] + output)
          #expect(
            Comparison.largestDifference(y, Tensor(expected, shape: y.shape)) < 1e-5, "\(op) \(attributes)")
        }
      }
      try check("AveragePool", [:]) { window, _ in
        window.reduce(0) { $0 + $1.0 } / Float(window.count)
      }
      try check("AveragePool", ["count_include_pad": .int(1)]) { window, padded in
        window.reduce(0) { $0 + $1.0 } / Float(padded)
      }
      try check("LpPool", ["p": .int(2)]) { window, _ in
        window.reduce(0) { $0 + $1.0 * $1.0 }.squareRoot()
      }
      try check("LpPool", ["p": .int(1)]) { window, _ in window.reduce(0) { $0 + abs($1.0) } }
      try check("MaxPool", [:]) { window, _ in window.map(\.0).max() ?? 0 }
      let places = try OperatorHarness.runOperator(
        "MaxPool", opset: 22, [x], attributes: attributes, outputs: 2)[1]
      let expected = plain(x, kernel, strides, dilations, pads, output) { window, _ in
        Float(window.max { $0.0 < $1.0 }!.1)
      }
      #expect(places.array(of: Int64.self).map { Float($0) } == expected)
    }
  }

  @Test func samePadding() throws {
    let x = Tensor([1, 2, 3, 4] as [Float], shape: [1, 1, 4])
    func run(_ mode: String) throws -> [Float] {
      try OperatorHarness.runOperator(
        "AveragePool", opset: 11, [x], attributes: ["kernel_shape": .ints([2]), "auto_pad": .string(mode)])[0]
        .array()
    }
    #expect(try run("SAME_UPPER") == [1.5, 2.5, 3.5, 4])
    #expect(try run("SAME_LOWER") == [1, 1.5, 2.5, 3.5])
    #expect(try run("VALID") == [1.5, 2.5, 3.5])
  }

  @Test func threeAxesStorageOrderAndBytes() throws {
    let x = Tensor((0..<8).map { UInt8($0) }, shape: [1, 1, 2, 2, 2])
    let attributes: [String: Attribute] = ["kernel_shape": .ints([1, 2, 1]), "storage_order": .int(1)]
    let y = try OperatorHarness.runOperator("MaxPool", opset: 12, [x], attributes: attributes, outputs: 2)
    #expect(y[0].array(of: UInt8.self) == [2, 3, 6, 7])
    #expect(y[1].array(of: Int64.self) == [2, 6, 3, 7])
  }

  @Test func globalPools() throws {
    let x = Tensor([3, -4, 0, 5, .nan, 1] as [Float], shape: [1, 3, 2])
    func run(_ op: String) throws -> Tensor { try OperatorHarness.runOperator(op, opset: 13, [x])[0] }
    #expect(try run("GlobalAveragePool").shape == [1, 3, 1])
    #expect(try run("GlobalAveragePool").array(of: Float.self).prefix(2) == [-0.5, 2.5])
    #expect(try run("GlobalMaxPool").array(of: Float.self).prefix(2) == [3, 5])
    #expect(try run("GlobalMaxPool").array(of: Float.self)[2].isNaN)
    #expect(try run("GlobalLpPool").array(of: Float.self).prefix(2) == [5, 5])
  }

  @Test func unpoolUndoesPool() throws {
    var random = Seeded(3)
    let x = random.tensor([2, 2, 6, 4])
    let attributes: [String: Attribute] = ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])]
    let pooled = try OperatorHarness.runOperator("MaxPool", [x], attributes: attributes, outputs: 2)
    let y = try OperatorHarness.runOperator("MaxUnpool", [pooled[0], pooled[1]], attributes: attributes)[0]
    #expect(y.shape == x.shape)
    let (before, after) = (x.array(of: Float.self), y.array(of: Float.self))
    let kept = Set(pooled[1].array(of: Int64.self).map { Int($0) })
    for place in before.indices { #expect(after[place] == (kept.contains(place) ? before[place] : 0)) }
  }

  @Test func unpoolIntoALargerShape() throws {
    let y = try OperatorHarness.runOperator(
      "MaxUnpool",
      [
        Tensor([1, 2] as [Float], shape: [1, 1, 1, 2]), Tensor([1, 7] as [Int64], shape: [1, 1, 1, 2]),
        Tensor([1, 1, 2, 5] as [Int64], shape: [4]),
      ], attributes: ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])])[0]
    #expect(y.array(of: Float.self) == [0, 1, 0, 0, 0, 0, 0, 0, 2, 0])
  }

  @Test func wrongIndicesAndAttributesAreRefused() {
    let x = Tensor([1] as [Float], shape: [1, 1, 1])
    for index in [-1, 2, 1 << 62] {
      #expect(throws: DataError.self) {
        try OperatorHarness.runOperator(
          "MaxUnpool", [x, Tensor([Int64(index)], shape: [1, 1, 1])],
          attributes: ["kernel_shape": .ints([2])])
      }
    }
    #expect(throws: DataError.self) { try OperatorHarness.runOperator("MaxPool", [x]) }
    #expect(throws: DataError.self) {
      try OperatorHarness.runOperator("MaxPool", [x], attributes: ["kernel_shape": .ints([2])])
    }
    #expect(throws: DataError.self) {
      try OperatorHarness.runOperator("LpPool", [x], attributes: ["kernel_shape": .ints([1]), "p": .int(0)])
    }
  }
}
