import Foundation
import GraphIR
import TestSupport
import Testing

/// Activations and functions against formulas in float64.
@Suite struct ActivationTests {
  private func check(
    _ op: String, _ x: [Float], opset: Int = 23, _ attributes: [String: Attribute] = [:],
    _ exact: (Double) -> Double
  ) throws {
    let y = try OperatorHarness.runOperator(
      op, opset: opset, [Tensor(x, shape: [x.count])], attributes: attributes)[0].array(of: Float.self)
    for (x, y) in zip(x, y) {
      let expected = exact(Double(x))
      #expect(abs(Double(y) - expected) <= 1e-6 * max(1, abs(expected)), "\(op) at \(x)")
    }
  }

  @Test func units() throws {
    let x: [Float] = [-50, -4, -1, -0.25, 0, 0.5, 4, 90]
    try check("Celu", x, opset: 12, ["alpha": .float(2)]) { $0 > 0 ? $0 : 2 * (exp($0 / 2) - 1) }
    try check("Celu", x, opset: 28, ["alpha": .float(-2)]) { max(0, $0) + min(0, -2 * (exp(-$0 / 2) - 1)) }
    try check("Selu", x, ["alpha": .float(2), "gamma": .float(3)]) { $0 > 0 ? 3 * $0 : 6 * (exp($0) - 1) }
    try check("ThresholdedRelu", x, ["alpha": .float(0.5)]) { $0 > 0.5 ? $0 : 0 }
    try check("Mish", x) { $0 * tanh($0 > 40 ? $0 : log(1 + exp($0))) }
    try check("Shrink", x, ["lambd": .float(0.5), "bias": .float(0.25)]) {
      $0 < -0.5 ? $0 + 0.25 : $0 > 0.5 ? $0 - 0.25 : 0
    }
    try check("Asinh", x) {
      $0 < 0 ? -log(-$0 + ($0 * $0 + 1).squareRoot()) : log($0 + ($0 * $0 + 1).squareRoot())
    }
    try check("Acosh", [1, 1.5, 30]) { log($0 + ($0 * $0 - 1).squareRoot()) }
    try check("Atanh", [-0.75, 0, 0.5]) { log((1 + $0) / (1 - $0)) / 2 }
    #expect(throws: DataError.self) { try check("Celu", x, ["alpha": .float(0)]) { $0 } }
  }

  @Test func shrinksIntegers() throws {
    let y = try OperatorHarness.runOperator(
      "Shrink", [Tensor([-5, -1, 0, 2, 7] as [Int8], shape: [5])],
      attributes: ["lambd": .float(1.5), "bias": .float(1)])[0]
    #expect(y.array() == [-4, 0, 0, 1, 6] as [Int8])
  }

  @Test func gatedUnit() throws {
    let a = Tensor([-2, 0, 0.5, 3] as [Float], shape: [2, 2])
    let b = Tensor([1, 2, -3, 4] as [Float], shape: [2, 2])
    for place in [nil, 0] {
      let y = try OperatorHarness.runOperator(
        "SwiGLU", opset: 28, [a, b], attributes: ["alpha": .float(1.5)], inPlace: place)[0]
      for i in 0..<4 {
        let (x, z) = (Double(a.array(of: Float.self)[i]), Double(b.array(of: Float.self)[i]))
        #expect(abs(Double(y.array(of: Float.self)[i]) - x / (1 + exp(-1.5 * x)) * z) < 1e-6)
      }
    }
    #expect(throws: DataError("A is float32[2, 2] and B float32[2], they must have one shape")) {
      try OperatorHarness.runOperator("SwiGLU", opset: 28, [a, Tensor([1, 2] as [Float], shape: [2])])
    }
  }
}
