import Foundation
import GraphIR
import TestSupport
import Testing

/// Operators that carry a state from call to call.
@Suite struct StateTests {
  /// Two calls with the state between them give what one call gives, and that is a recurrence written out.
  @Test(arguments: ["linear", "gated", "delta", "gated_delta"]) func linearAttention(rule: String) throws {
    let (batch, steps, heads, stateHeads, size, valueSize) = (2, 5, 4, 2, 3, 2)
    var random = Seeded(8)
    let q = random.tensor([batch, steps, heads * size])
    let (k, v) = (
      random.tensor([batch, steps, stateHeads * size]), random.tensor([batch, steps, stateHeads * valueSize])
    )
    let decay = rule.hasPrefix("gated") ? random.tensor([batch, steps, stateHeads * size]) : nil
    let beta = rule.hasSuffix("delta") ? random.tensor([batch, steps, 1]) : nil
    let attributes: [String: Attribute] = [
      "q_num_heads": .int(heads), "kv_num_heads": .int(stateHeads), "update_rule": .string(rule),
    ]
    func run(_ inputs: [Tensor?], threads: Int = 1) throws -> [Tensor] {
      try OperatorHarness.runOperator(
        "LinearAttention", opset: 27, inputs, attributes: attributes, outputs: 2, threads: threads)
    }
    let whole = try run([q, k, v, nil, decay, beta], threads: 2)

    func at(_ tensor: Tensor, _ image: Int, _ step: Int, _ column: Int) -> Double {
      Double(tensor.array(of: Float.self)[(image * steps + step) * tensor.shape[2] + column])
    }
    var expected: [Float] = []
    for image in 0..<batch {
      var states = [[[Double]]](
        repeating: [[Double]](repeating: [Double](repeating: 0, count: valueSize), count: size),
        count: stateHeads)
      for step in 0..<steps {
        for head in 0..<stateHeads {
          for i in 0..<size {
            let gate = decay.map { exp(at($0, image, step, head * size + i)) } ?? 1
            for j in 0..<valueSize { states[head][i][j] *= gate }
          }
          let update = (0..<valueSize).map { j -> Double in
            let value = at(v, image, step, head * valueSize + j)
            guard let beta else { return value }
            let read = (0..<size).reduce(0.0) {
              $0 + states[head][$1][j] * at(k, image, step, head * size + $1)
            }
            return at(beta, image, step, 0) * (value - read)
          }
          for i in 0..<size {
            for j in 0..<valueSize { states[head][i][j] += at(k, image, step, head * size + i) * update[j] }
          }
        }
        for head in 0..<heads {
          for j in 0..<valueSize {
            let sum = (0..<size).reduce(0.0) {
              $0 + at(q, image, step, head * size + $1) * states[head / 2][$1][j]
            }
            expected.append(Float(sum / Double(size).squareRoot()))
          }
        }
      }
    }
    #expect(Comparison.largestDifference(whole[0], Tensor(expected, shape: whole[0].shape)) < 1e-5)

    func part(_ tensor: Tensor?, _ range: Range<Int>) throws -> Tensor? {
      try tensor.map {
        let bounds = [[range.lowerBound], [range.upperBound], [1]].map {
          Tensor($0.map { Int64($0) }, shape: [1])
        }
        return try OperatorHarness.runOperator("Slice", [$0] + bounds)[0]
      }
    }
    let first = try run([q, k, v, nil, decay, beta].map { try part($0, 0..<2) })
    let second = try run(
      [part(q, 2..<5), part(k, 2..<5), part(v, 2..<5), first[1], part(decay, 2..<5), part(beta, 2..<5)])
    #expect(Comparison.largestDifference(second[1], whole[1]) < 1e-5)
    #expect(Comparison.largestDifference(second[0], try part(whole[0], 2..<5)!) < 1e-5)
  }

  @Test func linearAttentionRefuses() throws {
    let x = Tensor.zeros(.float32, [1, 2, 4])
    func run(_ inputs: [Tensor?], _ attributes: [String: Attribute]) throws {
      _ = try OperatorHarness.runOperator(
        "LinearAttention", opset: 27, inputs, attributes: attributes, outputs: 2)
    }
    let heads: [String: Attribute] = ["q_num_heads": .int(2), "kv_num_heads": .int(2)]
    #expect(throws: DataError("'decay' is missing, which does not fit the update rule")) {
      try run([x, x, x], heads)
    }
    #expect(throws: DataError.self) {
      try run([x, x, x], ["q_num_heads": .int(3), "kv_num_heads": .int(2)])
    }
    #expect(throws: DataError.self) { try run([x, x, x], [:]) }
    let linear = heads.merging(["update_rule": .string("linear")]) { $1 }
    try run([x, x, x], linear)
    #expect(throws: DataError.self) { try run([x, x, x, nil, x], linear) }
    #expect(throws: DataError.self) { try run([x, x, x, x], linear) }
    #expect(throws: DataError.self) { try run([x, Tensor.zeros(.float32, [1, 2, 6]), x], linear) }
  }

  @Test func causalConvolution() throws {
    let x = Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [1, 2, 3])
    let weight = Tensor([1, 10, 100, 0, 1, -1] as [Float], shape: [2, 1, 3])
    let bias = Tensor([0, 0.5] as [Float], shape: [2])
    func run(_ inputs: [Tensor?], _ activation: String = "none") throws -> [Tensor] {
      try OperatorHarness.runOperator(
        "CausalConvWithState", opset: 27, inputs, attributes: ["activation": .string(activation)], outputs: 2)
    }
    let y = try run([x, weight, bias])
    #expect(y[0].array() == [100, 210, 321, -3.5, -0.5, -0.5] as [Float])
    #expect(y[1].array() == [2, 3, 5, 6] as [Float])
    let short = try run([Tensor([7, 8] as [Float], shape: [1, 2, 1]), weight, bias, y[1]], "silu")
    #expect(short[1].array() == [3, 7, 6, 8] as [Float])
    for (value, plain) in zip(short[0].array(of: Float.self), [732, -1.5]) {
      #expect(abs(Double(value) - plain / (1 + exp(-plain))) < 1e-4)
    }
    #expect(throws: DataError.self) { try run([x, weight, bias], "relu") }
    #expect(throws: DataError.self) { try run([x, Tensor.zeros(.float32, [2, 1, 0])]) }
    #expect(throws: DataError.self) { try run([x, weight, nil, Tensor.zeros(.float32, [1, 2, 3])]) }
  }
}
