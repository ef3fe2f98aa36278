import GraphIR
import TestSupport
import Testing

/// An operator and where its input may lie.
struct SmoothFunction: Sendable, CustomStringConvertible {
  let op: String
  var range = -2.0...2.0
  var attributes: [String: Attribute] = [:]
  var opset = 23
  var description: String { op }
}

let smoothFunctions: [SmoothFunction] = [
  .init(op: "Neg"), .init(op: "Abs"), .init(op: "Relu"), .init(op: "Sqrt", range: 0.2...3),
  .init(op: "Reciprocal", range: 0.5...3), .init(op: "Exp"), .init(op: "Log", range: 0.2...3),
  .init(op: "Erf"), .init(op: "Sin"), .init(op: "Cos"), .init(op: "Tan", range: -1...1),
  .init(op: "Sinh"), .init(op: "Cosh"), .init(op: "Asin", range: -0.8...0.8),
  .init(op: "Acos", range: -0.8...0.8), .init(op: "Atan"), .init(op: "Asinh"),
  .init(op: "Acosh", range: 1.2...3), .init(op: "Atanh", range: -0.8...0.8), .init(op: "Sigmoid"),
  .init(op: "Tanh"), .init(op: "HardSigmoid", range: -4...4), .init(op: "HardSwish", range: -4...4),
  .init(op: "LeakyRelu"), .init(op: "Softplus"), .init(op: "Softsign"),
  .init(op: "Elu", attributes: ["alpha": .float(1.5)]),
  .init(op: "Celu", attributes: ["alpha": .float(0.5)]),
  .init(op: "Selu"), .init(op: "ThresholdedRelu", attributes: ["alpha": .float(0.5)]),
  .init(op: "Shrink", attributes: ["lambd": .float(0.5)]), .init(op: "Mish"), .init(op: "Identity"),
  .init(op: "Softmax", attributes: ["axis": .int(1)]),
  .init(op: "LogSoftmax", attributes: ["axis": .int(-1)]),
  .init(op: "Softmax", attributes: ["axis": .int(1)], opset: 11), .init(op: "Dropout"),
]

let reductionOperators = [
  "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
  "ReduceSumSquare",
  "ReduceLogSum", "ReduceLogSumExp",
]

@Suite("Gradients of element-wise operators agree with central differences")
struct ElementwiseGradientTests {
  @Test("of one input", arguments: smoothFunctions)
  func unary(_ function: SmoothFunction) throws {
    let x = GradientHarness.random([3, 4, 5], seed: 1, function.range.lowerBound, function.range.upperBound)
    let check = try GradientHarness(inputs: ["x": x], wrt: ["x"], opset: function.opset) { g in
      g.emit(function.op, [Value("x")], function.attributes)
    }
    #expect(check.worst < 1e-5, "\(check.errors)")
  }

  @Test(
    "of two inputs, broadcast", arguments: ["Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Sum", "Mean"])
  func binary(_ op: String) throws {
    let shapes: [([Int], [Int])] = [([3, 4], [3, 4]), ([3, 4], [4]), ([2, 1, 3], [4, 1]), ([], [2, 3])]
    for (position, (a, b)) in shapes.enumerated() {
      let inputs = [
        "a": GradientHarness.random(a, seed: UInt64(position) + 3, 0.5, 2),
        "b": GradientHarness.random(b, seed: UInt64(position) + 30, 0.5, 2),
      ]
      let check = try GradientHarness(inputs: inputs, wrt: ["a", "b"]) { g in
        g.emit(op, [Value("a"), Value("b")])
      }
      #expect(check.worst < 1e-5, "\(a) and \(b): \(check.errors)")
    }
  }

  @Test("of a value that is used twice, and of one input twice")
  func shared() throws {
    let x = GradientHarness.random([3, 4], seed: 5)
    let check = try GradientHarness(inputs: ["x": x], wrt: ["x"]) { g in
      let s = g.Sin(Value("x"))
      return [g.Mul(s, s), g.Add(g.Exp(s), Value("x"))]
    }
    #expect(check.worst < 1e-5)
  }

  @Test("of Clip, Where, PRelu and casts, with flat parts")
  func choices() throws {
    let x = GradientHarness.random([4, 5], seed: 6)
    let y = GradientHarness.random([5], seed: 7)
    let slope = GradientHarness.random([1, 5], seed: 8)
    let bound = Tensor([-0.4], shape: [])
    let inputs = ["x": x, "y": y, "slope": slope, "bound": bound]
    let check = try GradientHarness(inputs: inputs, wrt: ["x", "y", "slope", "bound"]) { g in
      let half = g.constant(Tensor([0.5], shape: []))
      return [
        g.Clip(Value("x"), Value("bound"), half), g.Where(g.Less(Value("x"), half), Value("x"), Value("y")),
        g.PRelu(Value("x"), Value("slope")), g.Mul(g.Floor(Value("x")), Value("x")),
        g.Cast(Value("x"), attributes: ["to": .int(11)]),
      ]
    }
    #expect(check.worst < 1e-5, "\(check.errors)")
  }

  @Test("of reductions", arguments: reductionOperators)
  func reduction(_ op: String) throws {
    let x = GradientHarness.random([3, 4, 2], seed: 9, 0.3, 2)
    for axes in [[1], [0, 2], [-1], [0, 1, 2]] {
      for keepsDims in [0, 1] {
        let check = try GradientHarness(inputs: ["x": x], wrt: ["x"]) { g in
          g.emit(op, [Value("x"), g.ints(axes)], ["keepdims": .int(keepsDims)])
        }
        #expect(check.worst < 1e-5, "axes \(axes), keepdims \(keepsDims): \(check.errors)")
      }
    }
    let none = try GradientHarness(inputs: ["x": x], wrt: ["x"]) { g in
      g.emit(op, [Value("x")], ["noop_with_empty_axes": .int(1)])
    }
    #expect(none.worst < 1e-5, "no axes: \(none.errors)")
  }
}
