import Foundation
import GraphIR
import TestSupport
import Testing

@Suite struct SignalTests {
  /// The sum itself, term by term.
  private func transform(_ x: [(Double, Double)], inverse: Bool = false) -> [(Double, Double)] {
    let n = Double(x.count)
    return x.indices.map { k in
      x.enumerated().reduce((0, 0)) { sum, term in
        let angle = (inverse ? 2 : -2) * .pi * Double(k * term.offset % x.count) / n
        let (a, b) = term.element
        return (sum.0 + a * cos(angle) - b * sin(angle), sum.1 + a * sin(angle) + b * cos(angle))
      }
    }
  }

  private func dft(_ x: Tensor, _ length: Int?, axis: Int, _ attributes: [String: Attribute] = [:]) throws
    -> Tensor
  {
    let size = length.map { Tensor(scalar: Int64($0)) }
    return try OperatorHarness.runOperator(
      "DFT", [x, size, Tensor(scalar: Int64(axis))], attributes: attributes, threads: 2)[0]
  }

  /// Powers of two, primes and others, along both axes of a matrix of complex numbers, padded and cut.
  @Test(arguments: [1, 2, 3, 4, 7, 8, 12, 31, 32, 45]) func everyLength(_ length: Int) throws {
    var random = Seeded(UInt64(length))
    let x = random.tensor([3, length, 2])
    let values = x.array(of: Float.self).map { Double($0) }
    for given in [length, length + 5, max(1, length - 2)] {
      let y = try dft(x, given, axis: 1)
      let back = try dft(y, nil, axis: 1, ["inverse": .int(1)])
      #expect(y.shape == [3, given, 2])
      for row in 0..<3 {
        let signal = (0..<given).map { n in
          n < length ? (values[(row * length + n) * 2], values[(row * length + n) * 2 + 1]) : (0, 0)
        }
        for (k, expected) in transform(signal).enumerated() {
          let place = (row * given + k) * 2
          let (a, b) = (y.array(of: Float.self)[place], y.array(of: Float.self)[place + 1])
          #expect(abs(Double(a) - expected.0) < 1e-5 && abs(Double(b) - expected.1) < 1e-5)
          #expect(abs(Double(back.array(of: Float.self)[place]) - signal[k].0) < 1e-5)
        }
      }
    }
    // The other axis, through a transposed twin.
    let turned = try OperatorHarness.runOperator("Transpose", [x], attributes: ["perm": .ints([1, 0, 2])])[0]
    let y = try dft(turned, nil, axis: 0)
    let twin = try OperatorHarness.runOperator(
      "Transpose", [try dft(x, nil, axis: -2)], attributes: ["perm": .ints([1, 0, 2])])[0]
    #expect(Comparison.largestDifference(y, twin) == 0)
  }

  /// Half a spectrum is the lower part of the whole, and leads back to the real signal.
  @Test(arguments: [4, 5, 9, 16]) func oneSided(_ length: Int) throws {
    var random = Seeded(77)
    let x = random.tensor([2, length, 1])
    let half = try dft(x, nil, axis: 1, ["onesided": .int(1)])
    let whole = try dft(x, nil, axis: 1)
    #expect(half.shape == [2, length / 2 + 1, 2])
    #expect(
      half.rows(0..<1).array(of: Float.self) == Array(whole.array(of: Float.self).prefix(half.count / 2)))
    let back = try dft(half, length, axis: 1, ["onesided": .int(1), "inverse": .int(1)])
    #expect(back.shape == [2, length, 1] && Comparison.largestDifference(back, x) < 1e-6)
  }

  @Test func frames() throws {
    var random = Seeded(5)
    let x = random.tensor([2, 20, 1])
    let window = random.tensor([6])
    let y = try OperatorHarness.runOperator("STFT", [x, Tensor(scalar: Int64(3)), window, nil], threads: 2)[0]
    #expect(y.shape == [2, 5, 4, 2])
    let values = x.array(of: Float.self)
    for frame in 0..<5 {
      let signal = (0..<6).map { n in
        (Double(values[20 + frame * 3 + n] * window.array(of: Float.self)[n]), 0.0)
      }
      for (k, expected) in transform(signal).prefix(4).enumerated() {
        let place = ((5 + frame) * 4 + k) * 2
        #expect(abs(Double(y.array(of: Float.self)[place]) - expected.0) < 1e-5)
        #expect(abs(Double(y.array(of: Float.self)[place + 1]) - expected.1) < 1e-5)
      }
    }
    #expect(throws: DataError.self) {
      try OperatorHarness.runOperator("STFT", [x, Tensor(scalar: Int64(0)), window, nil])
    }
  }

  @Test func windowsAndMistakes() throws {
    for name in ["HannWindow", "HammingWindow", "BlackmanWindow"] {
      let size = Tensor(scalar: Int64(9))
      let symmetric = try OperatorHarness.runOperator(name, [size], attributes: ["periodic": .int(0)])[0]
      let values = symmetric.array(of: Float.self)
      #expect(abs(values[4] - 1) < 1e-6 && zip(values, values.reversed()).allSatisfy { abs($0 - $1) < 1e-6 })
      let periodic = try OperatorHarness.runOperator(name, [Tensor(scalar: Int64(8))])[0].array(
        of: Float.self)
      #expect(zip(periodic, values).allSatisfy { abs($0 - $1) < 1e-6 } && periodic.count == 8)
      #expect(throws: DataError.self) { try OperatorHarness.runOperator(name, [Tensor(scalar: Int64(-1))]) }
    }
    let x = Tensor([Float(1), 2, 3], shape: [1, 3, 1])
    #expect(throws: DataError.self) { try dft(x, nil, axis: 2) }
    #expect(throws: DataError.self) { try dft(x, nil, axis: 1, ["onesided": .int(1), "inverse": .int(1)]) }
  }

  /// Each mel bin is a triangle with a top of 1.
  @Test func melTriangles() throws {
    let inputs =
      [Int64(8), 64, 16000].map { Tensor(scalar: $0) } + [Float(100), 7000].map { Tensor(scalar: $0) }
    let weights = try OperatorHarness.runOperator("MelWeightMatrix", inputs)[0]
    #expect(weights.shape == [33, 8])
    let values = weights.array(of: Float.self)
    for bin in 0..<8 { #expect((0..<33).map { values[$0 * 8 + bin] }.max() == 1) }
    var wrong = inputs
    wrong[4] = Tensor(scalar: Float(20000))
    #expect(throws: DataError.self) { try OperatorHarness.runOperator("MelWeightMatrix", wrong) }
  }
}
