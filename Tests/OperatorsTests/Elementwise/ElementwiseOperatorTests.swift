import Foundation
import GraphIR
import TestSupport
import Testing

/// What the specification says about single operators beyond plain arithmetic.
@Suite struct ElementwiseOperatorTests {
  private func run(
    _ op: String, domain: String = "", opset: Int = 23, _ inputs: Tensor?...,
    attributes: [String: Attribute] = [:]
  ) throws -> Tensor {
    try OperatorHarness.runOperator(op, domain: domain, opset: opset, inputs, attributes: attributes)[0]
  }

  private func floats(_ values: Float...) -> Tensor { Tensor(values, shape: [values.count]) }
  private func ints(_ values: Int32...) -> Tensor { Tensor(values, shape: [values.count]) }

  @Test func integerDivisionNeverTraps() throws {
    #expect(try run("Div", ints(7, -7, .min), ints(2, 2, -1)).array() == [3, -3, Int32.min])
    #expect(throws: DataError("integer division by zero")) { try run("Div", ints(1), ints(0)) }
    #expect(throws: DataError("integer division by zero")) { try run("Mod", ints(1), ints(0)) }
    #expect(try run("Add", ints(.max), ints(1)).array() == [Int32.min])
    #expect(try run("Neg", ints(.min)).array() == [Int32.min])
    #expect(try run("Abs", ints(.min, -4)).array() == [Int32.min, 4])
    #expect(try run("Mod", ints(.min), ints(-1)).array() == [Int32(0)])
  }

  @Test func modulo() throws {
    #expect(try run("Mod", ints(7, -7, 7, -7), ints(3, 3, -3, -3)).array() == [1, 2, -2, -1] as [Int32])
    let fmod: [String: Attribute] = ["fmod": .int(1)]
    #expect(
      try run("Mod", ints(7, -7, 7), ints(3, 3, -3), attributes: fmod).array() == [1, -1, 1] as [Int32])
    #expect(
      try run("Mod", floats(5.5, -5.5), floats(2, 2), attributes: fmod).array() == [1.5, -1.5] as [Float])
  }

  @Test func powers() throws {
    #expect(try run("Pow", floats(2, -3, 0.5), Tensor(scalar: Float(2))).array() == [4, 9, 0.25] as [Float])
    #expect(
      try run("Pow", floats(2, 3), Tensor([3, -1] as [Int64], shape: [2])).array() == [8, Float(1) / 3])
    #expect(try run("Pow", ints(2, -1, 3, 0), ints(10, -3, -1, 0)).array() == [1024, -1, 0, 1] as [Int32])
    #expect(try run("Pow", ints(4, 9), floats(0.5, 1.5)).array() == [2, 27] as [Int32])
    let root = try run("Pow", floats(4, -0.0, -.infinity, -1), Tensor(scalar: Float(0.5))).array(
      of: Float.self)
    #expect(root[0] == 2 && root[1].sign == .plus && root[2] == .infinity && root[3].isNaN)
  }

  @Test func clipsByAttributesAndInputs() throws {
    let x = floats(-2, 0.5, 3, .nan)
    let old: [String: Attribute] = ["min": .float(-1), "max": .float(1)]
    for y in [
      try run("Clip", opset: 6, x, attributes: old),
      try run("Clip", opset: 13, x, Tensor(scalar: Float(-1)), Tensor(scalar: Float(1))),
    ] {
      let values = y.array(of: Float.self)
      #expect(Array(values[..<3]) == [-1, 0.5, 1] && values[3].isNaN)
    }
    #expect(try run("Clip", ints(-5, 5, 9), nil, Tensor(scalar: Int32(6))).array() == [-5, 5, 6] as [Int32])
    #expect(
      try run("Clip", floats(0), Tensor(scalar: Float(2)), Tensor(scalar: Float(1))).array() == [Float(1)])
    #expect(throws: DataError.self) { try run("Clip", opset: 13, x, attributes: old) }
    #expect(throws: DataError.self) { try run("Clip", x, x) }
  }

  @Test func casts() throws {
    func cast(_ x: Tensor, _ dtype: DType) throws -> Tensor {
      try run("Cast", x, attributes: ["to": .int(Int(dtype.rawValue))])
    }
    #expect(try cast(floats(1.9, -1.9, 0, .nan), .int32).array() == [1, -1, 0, 0] as [Int32])
    #expect(try cast(floats(3e9, -3e9), .int32).array() == [Int32.max, Int32.min])
    #expect(try cast(ints(300, -1), .uint8).array() == [44, 255] as [UInt8])
    #expect(try cast(floats(0, 0.2, .nan), .bool).array() == [false, true, true])
    #expect(try cast(floats(1.5, 65520), .float16).array() == [1.5, .infinity] as [Float16])
    var random = ElementwiseRandom(5)
    let x = random.floats([3, 20_001])
    let half = try cast(x, .float16)
    #expect(half.array() == x.array(of: Float.self).map { Float16($0) })
    #expect(try cast(half, .float32).array() == half.array(of: Float16.self).map { Float($0) })
    let brain = try cast(x, .bfloat16)
    #expect(try cast(brain, .float32).array() == brain.array(of: BFloat16.self).map(\.float))
    let like = try run("CastLike", x, Tensor([1] as [Int64], shape: [1]), attributes: ["saturate": .int(0)])
    #expect(like.dtype == .int64 && like.shape == x.shape)
    #expect(throws: DataError.self) { try run("Cast", x, attributes: ["to": .int(8)]) }
    #expect(throws: DataError.self) { try run("Cast", x) }
  }

  @Test func selects() throws {
    let condition = Tensor([true, false], shape: [2, 1])
    let x = Tensor([1, 2, 3] as [Float16], shape: [3])
    let y = Tensor(scalar: Float16(-1))
    let z = try run("Where", condition, x, y)
    #expect(z.shape == [2, 3] && z.array() == [1, 2, 3, -1, -1, -1] as [Float16])
  }

  @Test func comparesAndCombines() throws {
    let a = floats(1, 2, .nan)
    let b = floats(2, 2, .nan)
    #expect(try run("Less", a, b).array() == [true, false, false])
    #expect(try run("LessOrEqual", a, b).array() == [true, true, false])
    #expect(try run("Greater", a, b).array() == [false, false, false])
    #expect(try run("GreaterOrEqual", a, b).array() == [false, true, false])
    #expect(try run("Equal", a, b).array() == [false, true, false])
    let p = Tensor([true, true, false, false], shape: [4])
    let q = Tensor([true, false, true, false], shape: [4])
    #expect(try run("Equal", p, q).array() == [true, false, false, true])
    #expect(try run("And", p, q).array() == [true, false, false, false])
    #expect(try run("Or", p, q).array() == [true, true, true, false])
    #expect(try run("Xor", p, q).array() == [false, true, true, false])
    #expect(try run("Not", p).array() == [false, false, true, true])
    let big = Tensor([Int64.max, Int64.max - 1], shape: [2])
    #expect(try run("Equal", big, Tensor(scalar: Int64.max)).array() == [true, false])
  }

  @Test func findsNaNAndInfinity() throws {
    let x = floats(.nan, .infinity, -.infinity, 1)
    #expect(try run("IsNaN", x).array() == [true, false, false, false])
    #expect(try run("IsInf", x).array() == [false, true, true, false])
    #expect(
      try run("IsInf", x, attributes: ["detect_negative": .int(0)]).array() == [false, true, false, false])
    let half = x.converted(to: .float16)
    #expect(try run("IsNaN", half).array() == [true, false, false, false])
  }

  @Test func activations() throws {
    let x = floats(-4, -1, 0, 0.5, 4)
    func check(_ op: String, _ y: Tensor, _ exact: (Double) -> Double) {
      for (x, y) in zip(x.array(of: Float.self), y.array(of: Float.self)) {
        #expect(abs(Double(y) - exact(Double(x))) <= 1e-6, "\(op) at \(x)")
      }
    }
    check("Relu", try run("Relu", x)) { max($0, 0) }
    check("LeakyRelu", try run("LeakyRelu", x, attributes: ["alpha": .float(0.25)])) { $0 < 0 ? $0 / 4 : $0 }
    check("Elu", try run("Elu", x, attributes: ["alpha": .float(2)])) { $0 < 0 ? 2 * expm1($0) : $0 }
    check("HardSigmoid", try run("HardSigmoid", x)) { max(0, min(1, 0.2 * $0 + 0.5)) }
    check("HardSwish", try run("HardSwish", x)) { $0 * max(0, min(1, $0 / 6 + 0.5)) }
    check("Softplus", try run("Softplus", x)) { log1p(exp($0)) }
    check("Softsign", try run("Softsign", x)) { $0 / (1 + abs($0)) }
    check("SiLU", try run("SiLU", domain: "dsd", opset: 1, x)) { $0 / (1 + exp(-$0)) }
    check("Swish", try run("Swish", opset: 24, x, attributes: ["alpha": .float(1.702)])) {
      $0 / (1 + exp(-1.702 * $0))
    }
    check("Gelu", try run("Gelu", x)) { 0.5 * $0 * (1 + erf($0 / 2.0.squareRoot())) }
    check("PRelu", try run("PRelu", x, Tensor([0.5] as [Float], shape: [1]))) { $0 < 0 ? $0 / 2 : $0 }
    check("Round", try run("Round", x)) { $0.rounded(.toNearestOrEven) }
    check("Sign", try run("Sign", x)) { $0 > 0 ? 1 : $0 < 0 ? -1 : 0 }
    #expect(throws: DataError.self) { try run("Gelu", x, attributes: ["approximate": .string("fast")]) }
    #expect(throws: DataError.self) { try run("PRelu", Tensor(scalar: Float(1)), x) }
  }

  /// float64 and the 16-bit types agree with float32 up to their precision.
  @Test(arguments: [
    "Exp", "Erf", "Sin", "Cos", "Tan", "Sinh", "Cosh", "Atan", "Sigmoid", "Tanh", "Gelu", "Neg", "Abs",
    "Ceil", "Floor", "Asin", "Acos", "Reciprocal", "Softplus", "Asinh", "Atanh", "Celu", "Selu", "Mish",
  ])
  func typesAgree(_ op: String) throws {
    var random = ElementwiseRandom(19)
    let x = random.floats([4, 5003], in: 0.125...0.875).converted(to: .float16).converted(to: .float32)
    let one = try run(op, x)
    #expect(one.isIdentical(to: try OperatorHarness.runOperator(op, [x], threads: 2)[0]))
    #expect(one.isIdentical(to: try OperatorHarness.runOperator(op, [x], threads: 2, inPlace: 0)[0]))
    for (dtype, limit) in [(DType.float64, 3e-7), (.float16, 1e-3), (.bfloat16, 8e-3)] {
      let y = try run(op, x.converted(to: dtype))
      #expect(y.dtype == dtype)
      // bfloat16 has rounded the input too: its own values are the reference.
      let reference = dtype == .bfloat16 ? try run(op, x.converted(to: dtype).converted(to: .float32)) : one
      let a = y.converted(to: .float64).array(of: Double.self)
      let b = reference.converted(to: .float64).array(of: Double.self)
      for (a, b) in zip(a, b) { #expect(abs(a - b) <= limit * max(abs(b), 0.1)) }
    }
  }
}
