import GraphIR
import Rewrites
import TestSupport
import Testing

/// Gelu and Swish written out in primitives.
@Suite struct ActivationRuleTests {
  private enum Order: CaseIterable { case halfFirst, halfLast, halfInside }
  private enum Curve: CaseIterable { case erfDivided, erfMultiplied, tanhPower, tanhProduct, tanhFactored }

  private struct Constants {
    var half: Float = 0.5
    var one: Float = 1
    var root: Float = 1.4142135
    var cubic: Float = 0.044715
    var linear: Float = 0.7978846
  }

  private func build(
    _ curve: Curve, _ order: Order, _ c: Constants = Constants(), swaps: Bool = false,
    dtype: DType = .float32
  ) -> (Graph, [String: Tensor]) {
    let g = GraphBuilder(Graph(opsets: ["": 14]))
    var random = Seeded(12)
    let x = g.input("x", dtype, [3, 7])
    func number(_ value: Float) -> Value { g.constant(Tensor(scalar: value).converted(to: dtype)) }
    func times(_ a: Value, _ b: Value) -> Value { swaps ? g.Mul(b, a) : g.Mul(a, b) }
    let inner: Value
    switch curve {
    case .erfDivided: inner = g.Erf(g.Div(x, number(c.root)))
    case .erfMultiplied: inner = g.Erf(times(x, number(1 / c.root)))
    case .tanhPower, .tanhProduct:
      let cube = curve == .tanhPower ? g.Pow(x, number(3)) : times(times(x, x), x)
      inner = g.Tanh(times(g.Add(x, times(cube, number(c.cubic))), number(c.linear)))
    case .tanhFactored:
      inner = g.Tanh(
        times(times(x, number(c.linear)), g.Add(times(times(x, number(c.cubic)), x), number(1))))
    }
    let raised = swaps ? g.Add(number(c.one), inner) : g.Add(inner, number(c.one))
    let y: Value
    switch order {
    case .halfFirst: y = times(times(x, number(c.half)), raised)
    case .halfLast: y = times(times(x, raised), number(c.half))
    case .halfInside: y = times(x, times(raised, number(c.half)))
    }
    g.output(y, as: "y", nil)
    return (g.graph, ["x": random.tensor([3, 7]).converted(to: dtype)])
  }

  @Test func everyForm() throws {
    for curve in Curve.allCases {
      for order in Order.allCases {
        for (swaps, dtype) in [(false, DType.float32), (true, .float32), (true, .float16)] {
          let (graph, inputs) = build(curve, order, swaps: swaps, dtype: dtype)
          let harness = try RuleHarness(graph, .recognition, inputs)
          let label = "\(curve) \(order) \(swaps) \(dtype): \(harness.trace)"
          #expect(harness.after.nodes.map(\.op) == ["Gelu", "Identity"], "\(label)")
          let isTanh = ![.erfDivided, .erfMultiplied].contains(curve)
          #expect(
            harness.after.nodes[0].attributes["approximate"] == .string(isTanh ? "tanh" : "none"), "\(label)")
          #expect(try harness.difference(inputs) < (dtype == .float16 ? 3e-3 : 1e-6), "\(label)")
        }
      }
    }
  }

  @Test func otherConstants() throws {
    let cases: [(Constants, Curve, String)] = [
      (Constants(half: 0.4), .erfDivided, "half is"), (Constants(one: 2), .tanhPower, "one is 2.0, not 1.0"),
      (Constants(root: 1.5), .erfDivided, "root is 1.5"),
      (Constants(root: 1.5), .erfMultiplied, "inverseRoot is"),
      (Constants(cubic: 0.05), .tanhFactored, "cubic is"),
      (Constants(linear: 0.7), .tanhProduct, "linear is"),
    ]
    for (constants, curve, reason) in cases {
      for order in Order.allCases {
        let (graph, inputs) = build(curve, order, constants)
        let harness = try RuleHarness(graph, .recognition, inputs)
        #expect(harness.count("Gelu") == 0)
        #expect(harness.trace.contains { $0.hasPrefix("gelu") && $0.contains(reason) }, "\(harness.trace)")
        #expect(try harness.difference(inputs) < 1e-6)
      }
    }
  }

  /// Another value under the curve is no Gelu, and says nothing.
  @Test func otherValues() throws {
    let g = GraphBuilder()
    var random = Seeded(13)
    let (x, z) = (g.input("x", .float32, [4]), g.input("z", .float32, [4]))
    let raised = g.Add(g.Erf(g.Div(z, g.scalar(1.4142135))), g.scalar(1))
    g.output(g.Mul(g.Mul(x, raised), g.scalar(0.5)), as: "y", nil)
    let inputs = ["x": random.tensor([4]), "z": random.tensor([4])]
    let harness = try RuleHarness(g.graph, .recognition, inputs)
    #expect(harness.isUnchanged)
    #expect(harness.trace.isEmpty)
  }

  @Test func swish() throws {
    for swaps in [false, true] {
      let g = GraphBuilder(Graph(opsets: ["": 14]))
      var random = Seeded(14)
      let (x, z) = (g.input("x", .float32, [3, 5]), g.input("z", .float32, [3, 5]))
      func gate(_ value: Value) -> Value {
        g.Sigmoid(swaps ? g.Mul(g.scalar(1.702), value) : g.Mul(value, g.scalar(1.702)))
      }
      g.output(swaps ? g.Mul(gate(x), x) : g.Mul(x, gate(x)), as: "y", nil)
      g.output(g.Mul(x, gate(z)), as: "gated", nil)
      let inputs = ["x": random.tensor([3, 5]), "z": random.tensor([3, 5])]
      let harness = try RuleHarness(g.graph, .recognition, inputs)
      #expect(harness.count("Swish") == 1)
      #expect(harness.count("Sigmoid") == 1)
      #expect(harness.after.nodes.first { $0.op == "Swish" }?.attributes["alpha"] == .float(1.702))
      #expect(try harness.difference(inputs) < 1e-6)
    }
  }
}
