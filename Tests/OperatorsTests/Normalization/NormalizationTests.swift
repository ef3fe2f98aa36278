import Foundation
import GraphIR
import TestSupport
import Testing

/// Normalizations against plain twins in float64.
@Suite struct NormalizationTests {
  private func doubles(_ tensor: Tensor) -> [Double] { tensor.converted(to: .float64).array() }

  private func moments(_ x: ArraySlice<Double>) -> (mean: Double, inverse: Double) {
    let mean = x.reduce(0, +) / Double(x.count)
    let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)
    return (mean, 1 / (variance + Double(Float(1e-5))).squareRoot())
  }

  private func expectClose(_ y: Tensor, _ expected: [Double], _ limit: Double = 1e-6) {
    let peak = expected.reduce(1) { max($0, abs($1)) }
    for (a, b) in zip(doubles(y), expected) { #expect(abs(a - b) <= limit * peak) }
  }

  /// float32 results on one thread, equal on two and in place, and close in float64.
  private func run(
    _ op: String, opset: Int = 23, _ inputs: [Tensor?], _ attributes: [String: Attribute],
    _ expected: [Double], limit: Double = 1e-6, inPlace: Bool = true
  ) throws {
    let y = try OperatorHarness.runOperator(op, opset: opset, inputs, attributes: attributes)[0]
    for place in inPlace ? [nil, 0] : [nil] {
      let again = try OperatorHarness.runOperator(
        op, opset: opset, inputs, attributes: attributes, threads: 2, inPlace: place)[0]
      #expect(y.isIdentical(to: again))
    }
    expectClose(y, expected, limit)
    let wide = inputs.map { $0?.converted(to: .float64) }
    expectClose(
      try OperatorHarness.runOperator(op, opset: opset, wide, attributes: attributes)[0], expected, 1e-10)
  }

  @Test(
    arguments: [
      (1, 1, 1, [7]), (2, 32, 10, [16, 16]), (3, 4, 2, [5, 3, 2]), (1, 8, 1, [33]), (2, 2, 40, [9, 9]),
    ] as [(Int, Int, Int, [Int])])
  func groups(_ batch: Int, _ groups: Int, _ perGroup: Int, _ size: [Int]) throws {
    var random = ElementwiseRandom(51)
    let channels = groups * perGroup
    let pixels = Shape.count(size)
    for offset in [Float(0), 100] {
      let x = random.floats([batch, channels] + size, in: offset - 2...offset + 2)
      let values = doubles(x)
      for opset in [18, 21] {
        let count = opset < 21 ? groups : channels
        let scale = random.floats([count])
        let bias = random.floats([count])
        var expected = values
        let n = perGroup * pixels
        for group in 0..<batch * groups {
          let (mean, inverse) = moments(values[group * n..<(group + 1) * n])
          for i in group * n..<(group + 1) * n {
            let channel = i / pixels % channels
            let place = opset < 21 ? channel / perGroup : channel
            expected[i] = (values[i] - mean) * inverse * doubles(scale)[place] + doubles(bias)[place]
          }
        }
        try run(
          "GroupNormalization", opset: opset, [x, scale, bias], ["num_groups": .int(groups)], expected,
          limit: 2e-6)
      }
    }
  }

  @Test(arguments: [([4, 77, 64], -1), ([5, 3, 17], 1), ([2, 3], 0), ([300, 320], 1)] as [([Int], Int)])
  func layers(_ shape: [Int], _ axis: Int) throws {
    var random = ElementwiseRandom(61)
    let x = random.floats(shape, in: 5...9)
    let row = Array(shape[(axis < 0 ? axis + shape.count : axis)...])
    let n = Shape.count(row)
    let scale = random.floats(row)
    let bias = random.floats(row)
    let values = doubles(x)
    var statistics: [(mean: Double, inverse: Double)] = []
    var expected = values
    for r in 0..<values.count / n {
      statistics.append(moments(values[r * n..<(r + 1) * n]))
      for i in 0..<n {
        let normal = (values[r * n + i] - statistics[r].mean) * statistics[r].inverse
        expected[r * n + i] = normal * doubles(scale)[i] + doubles(bias)[i]
      }
    }
    try run("LayerNormalization", [x, scale, bias], ["axis": .int(axis)], expected, limit: 2e-6)
    let three = try OperatorHarness.runOperator(
      "LayerNormalization", [x, scale], attributes: ["axis": .int(axis)], outputs: 3)
    #expect(three[1].shape == shape.dropLast(row.count) + row.map { _ in 1 })
    expectClose(three[1], statistics.map(\.mean))
    expectClose(three[2], statistics.map(\.inverse))
    // A scale that is one number for all goes the general way.
    let same = try OperatorHarness.runOperator(
      "LayerNormalization", [x, Tensor([2] as [Float], shape: [1])], attributes: ["axis": .int(axis)])[0]
    let twice = try OperatorHarness.runOperator(
      "LayerNormalization", [x, Tensor([Float](repeating: 2, count: n), shape: row)],
      attributes: ["axis": .int(axis)])[0]
    #expect(same.isIdentical(to: twice))

    var squares = values
    for r in 0..<values.count / n {
      let mean = values[r * n..<(r + 1) * n].reduce(0) { $0 + $1 * $1 } / Double(n)
      for i in 0..<n {
        squares[r * n + i] = values[r * n + i] / (mean + Double(Float(1e-5))).squareRoot() * doubles(scale)[i]
      }
    }
    try run("RMSNormalization", [x, scale], ["axis": .int(axis)], squares, inPlace: false)
  }

  @Test func instancesAndBatches() throws {
    var random = ElementwiseRandom(71)
    let x = random.floats([3, 5, 7, 9])
    let scale = random.floats([5])
    let bias = random.floats([5])
    let mean = random.floats([5])
    let variance = random.floats([5], in: 0.5...2)
    let values = doubles(x)
    var instances = values
    var batches = values
    for row in 0..<15 {
      let c = row % 5
      let own = moments(values[row * 63..<(row + 1) * 63])
      for i in row * 63..<(row + 1) * 63 {
        instances[i] = (values[i] - own.mean) * own.inverse * doubles(scale)[c] + doubles(bias)[c]
        batches[i] =
          (values[i] - doubles(mean)[c]) / (doubles(variance)[c] + Double(Float(1e-5))).squareRoot()
          * doubles(scale)[c] + doubles(bias)[c]
      }
    }
    try run("InstanceNormalization", [x, scale, bias], [:], instances)
    try run("BatchNormalization", opset: 15, [x, scale, bias, mean, variance], [:], batches)
    #expect(throws: DataError.self) {
      try OperatorHarness.runOperator("BatchNormalization", [x, scale, bias, mean, variance], outputs: 3)
    }
  }

  /// Training takes the batch's own statistics for each channel, and moves the given ones towards them.
  @Test func batchesInTraining() throws {
    var random = ElementwiseRandom(72)
    let x = random.floats([3, 2, 4])
    let (scale, bias, mean, variance) = (
      random.floats([2]), random.floats([2]), random.floats([2]), random.floats([2], in: 0.5...2)
    )
    let outputs = try OperatorHarness.runOperator(
      "BatchNormalization", [x, scale, bias, mean, variance],
      attributes: ["training_mode": .int(1), "momentum": .float(0.75)], outputs: 3)
    for channel in 0..<2 {
      let places = (0..<3).flatMap { n in (0..<4).map { (n * 2 + channel) * 4 + $0 } }
      let own = places.map { doubles(x)[$0] }
      let average = own.reduce(0, +) / 12
      let spread = own.reduce(0) { $0 + ($1 - average) * ($1 - average) } / 12
      for (place, value) in zip(places, own) {
        let expected =
          (value - average) / (spread + 1e-5).squareRoot() * doubles(scale)[channel] + doubles(bias)[channel]
        #expect(abs(doubles(outputs[0])[place] - expected) < 1e-5)
      }
      #expect(abs(doubles(outputs[1])[channel] - (0.75 * doubles(mean)[channel] + 0.25 * average)) < 1e-6)
      #expect(abs(doubles(outputs[2])[channel] - (0.75 * doubles(variance)[channel] + 0.25 * spread)) < 1e-6)
    }
  }

  @Test func lengths() throws {
    let x = Tensor([3, 4, 0, 0] as [Float], shape: [2, 2])
    #expect(
      try OperatorHarness.runOperator("LpNormalization", [x])[0].array() == [0.6, 0.8, 0, 0] as [Float])
    let one = try OperatorHarness.runOperator(
      "LpNormalization", [x], attributes: ["p": .int(1), "axis": .int(0)])
    #expect(one[0].array() == [1, 1, 0, 0] as [Float])
  }

  @Test func halvesAndRefusals() throws {
    var random = ElementwiseRandom(81)
    let x = random.floats([1, 4, 6, 6])
    let ones = Tensor([Float](repeating: 1, count: 4), shape: [4])
    let groups: [String: Attribute] = ["num_groups": .int(2)]
    let wide = try OperatorHarness.runOperator("GroupNormalization", [x, ones, ones], attributes: groups)[0]
    let half = try OperatorHarness.runOperator(
      "GroupNormalization", [x, ones, ones].map { $0.converted(to: .float16) }, attributes: groups)[0]
    #expect(half.dtype == .float16)
    for (a, b) in zip(doubles(half), doubles(wide)) { #expect(abs(a - b) < 4e-3) }
    #expect(throws: DataError("4 channels cannot be cut into 3 groups")) {
      try OperatorHarness.runOperator(
        "GroupNormalization", [x, ones, ones], attributes: ["num_groups": .int(3)])
    }
    #expect(throws: DataError("scale is [2], it must be [4]")) {
      try OperatorHarness.runOperator("GroupNormalization", [x, ones.rows(0..<2), ones], attributes: groups)
    }
    #expect(throws: DataError.self) {
      try OperatorHarness.runOperator("GroupNormalization", [x, ones, ones])
    }
    let type = try OperatorHarness.infer(
      "LayerNormalization", [TensorType(.float32, ["n", 77, .unknown]), TensorType(.float32, [64])],
      outputs: 2)
    #expect(type[1] == TensorType(.float32, ["n", 77, 1]))
  }
}
