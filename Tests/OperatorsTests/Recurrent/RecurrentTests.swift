import Foundation
import GraphIR
import TestSupport
import Testing

@testable import Operators

@Suite struct RecurrentTests {
  private let gates = ["LSTM": 4, "GRU": 3, "RNN": 1]

  private func run(
    _ op: String, _ inputs: [Tensor?], _ attributes: [String: Attribute] = [:]
  ) throws -> [Tensor] {
    try OperatorHarness.runOperator(
      op, opset: 14, inputs, attributes: attributes, outputs: op == "LSTM" ? 3 : 2)
  }

  /// With weights of 0, biases decide alone: the update formulas can be written down.
  @Test func oneStepFromBiases() throws {
    func sigmoid(_ x: Float) -> Float { 1 / (1 + exp(-x)) }
    let x = Tensor.zeros(.float32, [1, 1, 2])
    func step(_ op: String, _ biases: [Float], _ states: [Tensor], _ attributes: [String: Attribute] = [:])
      throws -> [Float]
    {
      let n = gates[op]!
      let bias = Tensor(biases + [Float](repeating: 0, count: n), shape: [1, 2 * n])
      let w = Tensor.zeros(.float32, [1, n, 2])
      let r = Tensor.zeros(.float32, [1, n, 1])
      return try run(op, [x, w, r, bias, nil] + states, attributes)[1].array(of: Float.self)
    }
    let h = Tensor([0.5] as [Float], shape: [1, 1, 1])
    let c = Tensor([-0.25] as [Float], shape: [1, 1, 1])
    let cell = sigmoid(0.3) * -0.25 + sigmoid(0.1) * tanh(0.4)
    #expect(abs(try step("LSTM", [0.1, 0.2, 0.3, 0.4], [h, c])[0] - sigmoid(0.2) * tanh(cell)) < 1e-6)
    let z = sigmoid(0.1)
    #expect(abs(try step("GRU", [0.1, 0.2, 0.3], [h])[0] - ((1 - z) * tanh(0.3) + z * 0.5)) < 1e-6)
    #expect(abs(try step("RNN", [0.7], [h])[0] - tanh(0.7)) < 1e-6)
    #expect(abs(try step("RNN", [0.7], [h], ["clip": .float(0.2)])[0] - tanh(0.2)) < 1e-6)
  }

  /// A reverse run is a forward run of the reversed steps; short sequences end early; layouts agree.
  @Test func directionsLengthsAndLayouts() throws {
    var random = Seeded(5)
    for op in ["LSTM", "GRU", "RNN"] {
      let n = gates[op]! * 3
      let x = random.tensor([4, 2, 5])
      let (w, r, b) = (random.tensor([1, n, 5]), random.tensor([1, n, 3]), random.tensor([1, 2 * n]))
      func reversedSteps(_ x: Tensor) -> Tensor {
        let size = x.count / x.shape[0]
        let values = x.array(of: Float.self)
        return Tensor(
          (0..<x.shape[0]).reversed().flatMap { values[$0 * size..<($0 + 1) * size] }, shape: x.shape)
      }
      let forward = try run(op, [x, w, r, b])
      let reverse = try run(op, [reversedSteps(x), w, r, b], ["direction": .string("reverse")])
      #expect(Comparison.largestDifference(reversedSteps(reverse[0]), forward[0]) < 1e-6)
      #expect(Comparison.largestDifference(reverse[1], forward[1]) < 1e-6)

      let short = try run(op, [x, w, r, b, Tensor([2, 4] as [Int32], shape: [2])])
      let y = short[0].array(of: Float.self)
      #expect(Array(y[6..<9]) == Array(short[1].array(of: Float.self)[0..<3]))
      #expect(y[12..<15].allSatisfy { $0 == 0 })

      let one = Tensor(
        Array(x.array(of: Float.self).enumerated().filter { $0.offset / 5 % 2 == 0 }.map(\.element)),
        shape: [1, 4, 5])
      let batchFirst = try run(op, [one, w, r, b], ["layout": .int(1)])
      #expect(batchFirst[0].shape == [1, 4, 1, 3])
      #expect(
        zip(batchFirst[1].array(of: Float.self), forward[1].array(of: Float.self)).allSatisfy {
          abs($0 - $1) < 1e-6
        })
    }
  }

  @Test func wrongInputIsRefused() {
    let x = Tensor.zeros(.float32, [2, 1, 1])
    let one = Tensor.zeros(.float32, [1, 1, 1])
    #expect(throws: DataError.self) {
      try run("RNN", [x, one, one, nil, Tensor([3] as [Int32], shape: [1])])
    }
    #expect(throws: DataError.self) { try run("RNN", [x, one, one], ["activations": .strings(["Cosine"])]) }
    #expect(throws: DataError.self) { try run("GRU", [x, one, one]) }
  }
}
