import GraphIR
import Operators
import Rewrites
import TestSupport
import Testing

@Suite struct FusionRuleTests {
  /// x · wᵀ (+ b), with x and b as given.
  private func linear(
    x: [Int] = [2, 5, 4], w: [Int] = [3, 4], b: [Int]? = [3], perm: [Int]? = [1, 0], swaps: Bool = false,
    dtype: DType = .float32
  ) -> (Graph, [String: Tensor]) {
    let g = GraphBuilder()
    var random = Seeded(41)
    let shapes = [("x", x), ("w", w)] + (b.map { [("b", $0)] } ?? [])
    var inputs: [String: Tensor] = [:]
    for (name, shape) in shapes {
      inputs[name] = random.tensor(shape).converted(to: dtype)
      g.input(name, dtype, shape.map { .known($0) })
    }
    let turned = g.Transpose(Value("w"), attributes: perm.map { ["perm": .ints($0)] } ?? [:])
    var y = g.MatMul(Value("x"), turned, name: "product")
    if b != nil { y = swaps ? g.Add(Value("b"), y) : g.Add(y, Value("b")) }
    g.output(y, as: "y", nil)
    return (g.graph, inputs)
  }

  @Test func linearLayers() throws {
    for x in [[5, 4], [2, 5, 4], [1, 2, 5, 4]] {
      for (b, swaps, perm) in [([3], false, [1, 0]), ([3], true, nil), (nil, false, [1, 0])]
        as [([Int]?, Bool, [Int]?)]
      {
        let (graph, inputs) = linear(x: x, b: b, perm: perm, swaps: swaps)
        let harness = try RuleHarness(graph, .fusion, inputs)
        #expect(harness.after.nodes.map(\.op) == ["Linear", "Identity"])
        #expect(harness.after.nodes[0].inputs.count == (b == nil ? 2 : 3))
        #expect(try harness.difference(inputs) < 2e-6)
      }
    }
  }

  /// Transposed weights under a linear layer are read as they are: no copy of them is made.
  @Test func linearOfTranspose() throws {
    let g = GraphBuilder()
    var random = Seeded(42)
    let inputs = ["x": random.tensor([2, 5, 3]), "w": random.tensor([3, 4])]
    g.input("x", .float32, [2, 5, 3])
    g.input("w", .float32, [3, 4])
    let turned = g.Transpose(Value("w"), attributes: ["perm": .ints([1, 0])])
    g.output(g.emit("Linear", domain: "dsd", [Value("x"), turned])[0], as: "y", nil)
    let harness = try RuleHarness(g.graph, .fusion, inputs)
    #expect(harness.after.nodes.map(\.op) == ["MatMul", "Identity"])
    #expect(try harness.difference(inputs) < 2e-6)
  }

  /// What is not a bias is added afterwards.
  @Test func otherAdditions() throws {
    for b in [[1], [5, 3], [2, 5, 3], [1, 1, 3], []] {
      let (graph, inputs) = linear(b: b)
      let harness = try RuleHarness(graph, .fusion, inputs)
      #expect(harness.after.nodes.map(\.op) == ["Linear", "Add", "Identity"], "\(b)")
      #expect(
        harness.trace.contains {
          $0.hasPrefix("linear-with-bias declines at node")
            && $0.hasSuffix("b is not one number for each row of w")
        })
      #expect(try harness.difference(inputs) < 2e-6)
    }
  }

  @Test func nearMisses() throws {
    let plain = linear(w: [4, 4], b: nil, perm: [0, 1])
    var harness = try RuleHarness(plain.0, .fusion, plain.1)
    #expect(harness.isUnchanged)
    #expect(harness.trace == ["linear declines at node 'product' (MatMul): w is not transposed"])
    let vector = linear(x: [4], b: nil)
    harness = try RuleHarness(vector.0, .fusion, vector.1)
    #expect(harness.isUnchanged)
    #expect(harness.trace == ["linear declines at node 'product' (MatMul): x is a vector"])
    let batched = linear(x: [2, 5, 4], w: [2, 3, 4], b: nil, perm: [0, 2, 1])
    harness = try RuleHarness(batched.0, .fusion, batched.1)
    #expect(harness.isUnchanged)
    #expect(harness.trace == ["linear declines at node 'product' (MatMul): w is not a matrix"])
  }

  /// MatMul takes integers, the fused operator does not.
  @Test func integersStay() throws {
    let (graph, inputs) = linear(dtype: .int32)
    let harness = try RuleHarness(graph, .fusion, inputs)
    #expect(harness.isUnchanged)
    #expect(!harness.trace.isEmpty)
    #expect(try harness.difference(inputs) == 0)
  }

  /// The transposed weight has another use, and stays for it.
  @Test func sharedTranspose() throws {
    var (graph, inputs) = linear()
    let g = GraphBuilder(graph)
    g.output(g.Neg(Value("Transpose")), as: "z", nil)
    graph = g.graph
    let harness = try RuleHarness(graph, .fusion, inputs)
    #expect(harness.count("Linear") == 1)
    #expect(harness.count("Transpose") == 1)
    #expect(try harness.difference(inputs) < 2e-6)
    inputs["x2"] = inputs["x"]
    // Two layers of one weight.
    let twice = GraphBuilder(linear().0)
    let x2 = twice.input("x2", .float32, [2, 5, 4])
    twice.output(twice.MatMul(x2, Value("Transpose")), as: "z", nil)
    let both = try RuleHarness(twice.graph, .fusion, inputs)
    #expect(both.count("Linear") == 2)
    #expect(both.count("Transpose") == 0)
    #expect(try both.difference(inputs) < 2e-6)
  }

  @Test func alteredInnerValuesStay() throws {
    let (graph, inputs) = linear()
    var harness = try RuleHarness(graph, .fusion, inputs, altered: ["product"])
    // The product is a value of its own, made by whatever operator.
    #expect(harness.after.nodes.map(\.op) == ["Linear", "Add", "Identity"])
    #expect(harness.after.nodes[0].outputs == ["product"])
    harness = try RuleHarness(graph, .fusion, inputs, altered: ["Transpose"])
    #expect(harness.isUnchanged)
  }

  /// An inner value that is an output too is still made.
  @Test func demandedInnerValuesAreKept() throws {
    var (graph, inputs) = linear()
    graph.outputs.append(ValueInfo("product", nil))
    let harness = try RuleHarness(graph, .fusion, inputs)
    #expect(harness.count("Linear") == 2)
    #expect(try harness.difference(inputs) < 2e-6)
  }

  @Test func siluInBothOrders() throws {
    for swaps in [false, true] {
      let g = GraphBuilder()
      var random = Seeded(6)
      let x = g.input("x", .float32, [3, 7])
      let gate = g.Sigmoid(x, name: "gate")
      g.output(swaps ? g.Mul(gate, x) : g.Mul(x, gate), as: "y", nil)
      let inputs = ["x": random.tensor([3, 7])]
      var harness = try RuleHarness(g.graph, .fusion, inputs)
      #expect(harness.after.nodes.map(\.op) == ["SiLU", "Identity"])
      #expect(try harness.difference(inputs) < 1e-6)
      harness = try RuleHarness(g.graph, .fusion, inputs, altered: ["gate"])
      #expect(harness.isUnchanged)
    }
  }

  @Test func gatesOfOtherValuesStay() throws {
    let g = GraphBuilder()
    let x = g.input("x", .float32, [3])
    let z = g.input("z", .float32, [3])
    g.output(g.Mul(x, g.Sigmoid(z)), as: "y", nil)
    g.output(g.Mul(g.Sigmoid(x), g.Sigmoid(x)), as: "w", nil)
    let zeros = Tensor.zeros(.float32, [3])
    let harness = try RuleHarness(g.graph, .fusion, ["x": zeros, "z": zeros])
    #expect(harness.count("SiLU") == 0)
    // Twice the same gate is one.
    #expect(harness.count("Sigmoid") == 2)
  }
}

@Suite struct GEGLURuleTests {
  /// The halves of a value, one of them through Gelu, multiplied.
  private func graph(
    axis: Int = -1, sizes: [Int]? = nil, swaps: Bool = false, gatesFirst: Bool = false,
    approximate: String = "none"
  ) -> Graph {
    let g = GraphBuilder()
    let x = g.input("x", .float32, [4, 3, 8])
    let parts = g.emit(
      "Split", [x] + (sizes.map { [g.ints($0)] } ?? []), ["axis": .int(axis)], outputs: 2, name: "split")
    let gelu = g.Gelu(parts[gatesFirst ? 0 : 1], attributes: ["approximate": .string(approximate)])
    let other = parts[gatesFirst ? 1 : 0]
    g.output(swaps ? g.Mul(gelu, other) : g.Mul(other, gelu), as: "y", nil)
    return g.graph
  }

  @Test func halvesAlongTheLastAxis() throws {
    var random = Seeded(12)
    let inputs = ["x": random.tensor([4, 3, 8])]
    for (axis, sizes, swaps, approximate) in [
      (-1, nil, false, "none"), (2, [4, 4], true, "tanh"), (-1, [4, 4], true, "none"),
    ] as [(Int, [Int]?, Bool, String)] {
      let source = graph(axis: axis, sizes: sizes, swaps: swaps, approximate: approximate)
      let harness = try RuleHarness(source, .fusion, inputs)
      #expect(harness.after.nodes.map(\.op) == ["GEGLU", "Identity"])
      #expect(try harness.difference(inputs) < 1e-6)
      #expect(try RuleHarness(source, .fusion, inputs, altered: ["split_out1"]).count("GEGLU") == 0)
    }
  }

  /// The halves as two slices; `moves` shifts the second one.
  private func slices(end: Int, steps: Int? = nil, moves: Int = 0) -> Graph {
    let g = GraphBuilder()
    let x = g.input("x", .float32, [4, 8])
    func slice(_ from: Int, _ to: Int) -> Value {
      let more = steps.map { [g.ints([$0])] } ?? []
      return g.emit("Slice", [x, g.ints([from]), g.ints([to]), g.ints([1])] + more)[0]
    }
    g.output(g.Mul(slice(0, 4), g.Gelu(slice(4 - moves, end))), as: "y", nil)
    return g.graph
  }

  @Test func halvesAsSlices() throws {
    var random = Seeded(13)
    let inputs = ["x": random.tensor([4, 8])]
    for source in [slices(end: 8), slices(end: Int(Int32.max), steps: 1)] {
      let harness = try RuleHarness(source, .fusion, inputs)
      #expect(harness.after.nodes.map(\.op) == ["GEGLU", "Identity"])
      #expect(try harness.difference(inputs) < 1e-6)
    }
    #expect(try RuleHarness(slices(end: 7, moves: 1), .fusion, inputs).count("GEGLU") == 0)
  }

  @Test func otherSplitsStay() throws {
    let inputs = ["x": Tensor.zeros(.float32, [4, 3, 8])]
    for source in [graph(gatesFirst: true), graph(axis: 0)] {
      #expect(try RuleHarness(source, .fusion, inputs).count("GEGLU") == 0)
    }
    // Halves of different values.
    let g = GraphBuilder()
    let x = g.input("x", .float32, [2, 8])
    let a = g.emit("Split", [x], ["axis": .int(-1)], outputs: 2)
    let b = g.emit("Split", [g.Tanh(x)], ["axis": .int(-1)], outputs: 2)
    g.output(g.Mul(a[0], g.Gelu(b[1])), as: "y", nil)
    let harness = try RuleHarness(g.graph, .fusion, ["x": Tensor.zeros(.float32, [2, 8])])
    #expect(harness.count("GEGLU") == 0)
  }
}

@Suite struct TransposeRuleTests {
  private func chain(_ perms: [[Int]?]) -> (Graph, [String: Tensor]) {
    let g = GraphBuilder()
    var random = Seeded(7)
    var value = g.input("x", .float32, [2, 3, 4])
    for perm in perms { value = g.Transpose(value, attributes: perm.map { ["perm": .ints($0)] } ?? [:]) }
    g.output(value, as: "y", nil)
    return (g.graph, ["x": random.tensor([2, 3, 4])])
  }

  @Test func joinsAnyTwo() throws {
    let perms: [[Int]?] = [nil, [0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
    for first in perms {
      for second in perms {
        let (graph, inputs) = chain([first, second])
        let harness = try RuleHarness(graph, .recognition, inputs)
        #expect(harness.count("Transpose") <= 1)
        #expect(try harness.difference(inputs) == 0)
      }
    }
    let (graph, inputs) = chain([[1, 2, 0], [2, 0, 1]])
    #expect(try RuleHarness(graph, .recognition, inputs).count("Transpose") == 0)
  }

  @Test func longChains() throws {
    let (graph, inputs) = chain((0..<20).map { $0 % 3 == 0 ? [1, 2, 0] : [0, 2, 1] })
    let harness = try RuleHarness(graph, .recognition, inputs)
    #expect(harness.count("Transpose") <= 1)
    #expect(try harness.difference(inputs) == 0)
  }

  @Test func sharedInnerStays() throws {
    let g = GraphBuilder(chain([[1, 2, 0], [1, 2, 0]]).0)
    g.output(g.Neg(Value("Transpose")), as: "z", nil)
    let inputs = chain([]).1
    let harness = try RuleHarness(g.graph, .recognition, inputs)
    #expect(harness.count("Transpose") == 2)
    #expect(try harness.difference(inputs) == 0)
    // Altered, it is not passed over.
    let altered = try RuleHarness(g.graph, .recognition, inputs, altered: ["Transpose"])
    #expect(altered.isUnchanged)
  }
}

/// What holds for every rule.
@Suite struct RuleSetTests {
  private let inputs = ["x": Tensor([Float(1), 2], shape: [2])]

  private var negation: Graph {
    let g = GraphBuilder()
    g.output(g.Neg(g.input("x", .float32, [2]), name: "n"), as: "y", nil)
    return g.graph
  }

  @Test func replacementOfAnotherTypeIsRefused() throws {
    let rule = Rule("widen", op.Neg("x")) { g, m in g.Unsqueeze(m["x"], g.ints([0])) }
    let harness = try RuleHarness(negation, RuleSet("test", [rule]), inputs)
    #expect(harness.isUnchanged)
    #expect(
      harness.trace
        == ["widen declines at node 'n' (Neg): the replacement is float32[1, 2], not float32[2]"])
  }

  /// A replacement that its operator refuses leaves the graph as it was.
  @Test func replacementThatDoesNotFitIsRefused() throws {
    let rule = Rule("split", op.Neg("x")) { g, m in g.Add(m["x"], g.ints([1, 2, 3])) }
    let harness = try RuleHarness(negation, RuleSet("test", [rule]), inputs)
    #expect(harness.isUnchanged)
    #expect(harness.trace.count == 1)
  }

  @Test func replacementByAConstant() throws {
    let rule = Rule("zero", op.Neg("x")) { g, m in g.constant(.zeros(.float32, [2])) }
    let harness = try RuleHarness(negation, RuleSet("test", [rule]), inputs)
    #expect(try NaiveEvaluator.values(harness.after, inputs)["y"]!.array(of: Float.self) == [0, 0])
  }

  /// Rules that undo each other end all the same.
  @Test func endlessRulesAreStopped() throws {
    let rules = RuleSet(
      "loop",
      [
        Rule("there", op.Neg("x")) { g, m in g.Neg(g.Transpose(m["x"])) }
      ])
    let harness = try RuleHarness(negation, rules, inputs)
    #expect(harness.count("Transpose") == 16)
    #expect(try harness.difference(inputs) == 0)
  }

  @Test func variablesBindOneValue() throws {
    let g = GraphBuilder()
    let x = g.input("x", .float32, [2])
    g.output(g.Sub(x, g.Neg(x)), as: "same", nil)
    g.output(g.Sub(x, g.Neg(g.Abs(x))), as: "other", nil)
    let rule = Rule("double", op.Sub("x", op.Neg("x"))) { g, m in g.Add(m["x"], m["x"]) }
    let harness = try RuleHarness(g.graph, RuleSet("test", [rule]), inputs)
    #expect(harness.count("Add") == 1)
    #expect(harness.count("Sub") == 1)
    #expect(try harness.difference(inputs) == 0)
  }

  /// Every random graph gives the same with all rules as without.
  @Test func randomGraphs() throws {
    for seed in 0..<100 as Range<UInt64> {
      let random = try RandomGraph(seed: seed)
      let harness = try RuleHarness(random.graph, .recognition + .fusion, random.inputs)
      #expect(try harness.difference(random.inputs) < 1e-5, "seed \(seed)")
    }
  }
}
