import Foundation
import GraphIR
import TestSupport
import Testing

@Suite struct LocalNormalizationTests {
  @Test(arguments: [1, 2, 3, 4, 9]) func neighbouringChannels(size: Int) throws {
    var random = Seeded(4)
    let x = random.tensor([2, 5, 3])
    let attributes: [String: Attribute] = [
      "size": .int(size), "alpha": .float(0.5), "beta": .float(0.7), "bias": .float(2),
    ]
    let y = try OperatorHarness.runOperator("LRN", [x], attributes: attributes, threads: 2)[0].array(
      of: Float.self)
    let values = x.array(of: Float.self)
    for n in 0..<2 {
      for c in 0..<5 {
        for i in 0..<3 {
          var sum = 0.0
          for k in 0..<5 where k >= c - (size - 1) / 2 && k <= c + Int((Double(size - 1) / 2).rounded(.up)) {
            sum += pow(Double(values[(n * 5 + k) * 3 + i]), 2)
          }
          let place = (n * 5 + c) * 3 + i
          let expected = Double(values[place]) / pow(2 + 0.5 / Double(size) * sum, 0.7)
          #expect(abs(Double(y[place]) - expected) < 1e-6)
        }
      }
    }
    #expect(throws: DataError.self) { try OperatorHarness.runOperator("LRN", [x]) }
    #expect(throws: DataError.self) {
      try OperatorHarness.runOperator("LRN", [x], attributes: ["size": .int(0)])
    }
  }

  @Test func meanAndVariance() throws {
    let x = Tensor([1, 2, 3, 4, 10, 20, 30, 50] as [Float], shape: [2, 2, 2])
    let y = try OperatorHarness.runOperator(
      "MeanVarianceNormalization", [x], attributes: ["axes": .ints([0, -1])])[0].array(of: Float.self)
    for channel in 0..<2 {
      let places = [0, 1, 4, 5].map { $0 + channel * 2 }
      let values = places.map { Double(x.array(of: Float.self)[$0]) }
      let mean = values.reduce(0, +) / 4
      let deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 4).squareRoot()
      for (place, value) in zip(places, values) {
        #expect(abs(Double(y[place]) - (value - mean) / deviation) < 1e-6)
      }
    }
    let constant = Tensor([3, 3] as [Float], shape: [1, 1, 1, 2])
    #expect(
      try OperatorHarness.runOperator("MeanVarianceNormalization", [constant])[0].array() == [0, 0] as [Float]
    )
    #expect(throws: DataError.self) { try OperatorHarness.runOperator("MeanVarianceNormalization", [x]) }
  }

  @Test func dropoutKeepsEverything() throws {
    let x = Tensor([1, -2] as [Float16], shape: [2])
    let ratio = Tensor(scalar: Float(0.5))
    let now = try OperatorHarness.runOperator("Dropout", [x, ratio, Tensor(scalar: false)], outputs: 2)
    #expect(now[0].isIdentical(to: x) && now[1].array() == [true, true])
    let old = try OperatorHarness.runOperator(
      "Dropout", opset: 7, [x], attributes: ["ratio": .float(0.25)], outputs: 2)
    #expect(old[1].array() == [1, 1] as [Float16])
    #expect(
      try OperatorHarness.runOperator("Dropout", [x, Tensor(scalar: Float(0)), Tensor(scalar: true)])[0]
        .isIdentical(to: x))
    #expect(throws: DataError("training_mode is not supported")) {
      try OperatorHarness.runOperator("Dropout", [x, ratio, Tensor(scalar: true)])
    }
    #expect(throws: DataError.self) {
      try OperatorHarness.runOperator("Dropout", [x], attributes: ["ratio": .float(0.25)])
    }
  }
}
