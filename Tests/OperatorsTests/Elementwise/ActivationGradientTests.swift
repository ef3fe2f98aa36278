import Foundation
import GraphIR
import TestSupport
import Testing

/// Gradients of activations against central differences of these.
@Suite struct ActivationGradientTests {
  private func check(
    _ op: String, opset: Int = 24, _ attributes: [String: Attribute], gradient: String
  ) throws {
    var random = ElementwiseRandom(31)
    let x = random.floats([40_003], in: -12...12).converted(to: .float64)
    let dY = random.floats(x.shape).converted(to: .float64)
    func values(_ shift: Double) throws -> [Double] {
      let moved = Tensor(x.array(of: Double.self).map { $0 + shift }, shape: x.shape)
      return try OperatorHarness.runOperator(op, opset: opset, [moved], attributes: attributes)[0].array()
    }
    let expected = Tensor(
      zip(zip(try values(1e-5), try values(-1e-5)), dY.array(of: Double.self))
        .map { ($0.0 - $0.1) / 2e-5 * $1 }, shape: x.shape)
    let wide = try OperatorHarness.runOperator(gradient, domain: "dsd", [x, dY], attributes: attributes)[0]
    #expect(Comparison.relativeToPeak(wide, expected) < 1e-8)
    let given = [x, dY].map { $0.converted(to: .float32) }
    let narrow = try OperatorHarness.runOperator(gradient, domain: "dsd", given, attributes: attributes)[0]
    let exact = try OperatorHarness.runOperator(
      gradient, domain: "dsd", given.map { $0.converted(to: .float64) }, attributes: attributes)[0]
    #expect(Comparison.relativeToPeak(narrow, exact) < 1e-6)
    for place in [0, 1] {
      let again = try OperatorHarness.runOperator(
        gradient, domain: "dsd", given, attributes: attributes, threads: 2, inPlace: place)[0]
      #expect(again.isIdentical(to: narrow))
    }
  }

  @Test(arguments: [Float(1), 1.702, -0.5])
  func swish(_ alpha: Float) throws {
    try check("Swish", ["alpha": .float(alpha)], gradient: "SwishGradient")
  }

  @Test(arguments: ["none", "tanh"])
  func gelu(_ approximate: String) throws {
    try check("Gelu", ["approximate": .string(approximate)], gradient: "GeluGradient")
  }

  /// Far out the slopes are 0 and 1, and NaN stays NaN.
  @Test(arguments: [DType.float32, .float64])
  func limits(_ dtype: DType) throws {
    let x = Tensor([-.infinity, -1e30, -300, 0, 300, 1e30, .infinity, .nan] as [Float], shape: [8])
      .converted(to: dtype)
    let dY = Tensor([Float](repeating: 2, count: 8), shape: [8]).converted(to: dtype)
    for (op, attributes) in [
      ("SwishGradient", [:]), ("GeluGradient", [:]), ("GeluGradient", ["approximate": .string("tanh")]),
    ] as [(String, [String: Attribute])] {
      let dX = try OperatorHarness.runOperator(op, domain: "dsd", [x, dY], attributes: attributes)[0]
        .converted(to: .float64).array(of: Double.self)
      for (value, expected) in zip(dX, [0, 0, 0, 1, 2, 2, 2] as [Double]) {
        #expect(abs(value - expected) < 1e-30)
      }
      #expect(dX[7].isNaN)
    }
  }
}
