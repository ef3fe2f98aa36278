import GraphIR
import Rewrites
import TestSupport
import Testing

/// Nodes that hand on what they are given, reshapes of reshapes, and nodes that compute the same.
@Suite struct ViewRuleTests {
  private func check(
    _ shape: [Int], _ expected: [String], _ build: (GraphBuilder, Value) -> Value
  ) throws {
    let g = GraphBuilder(Graph(opsets: ["": 18]))
    var random = Seeded(21)
    let x = g.input("x", .float32, shape.map { .known($0) })
    g.output(build(g, g.Neg(x)), as: "y", nil)
    let inputs = ["x": random.tensor(shape)]
    let harness = try RuleHarness(g.graph, .recognition, inputs)
    #expect(harness.after.nodes.map(\.op) == ["Neg"] + expected + ["Identity"])
    #expect(try harness.difference(inputs) == 0)
    #expect(harness.trace.isEmpty)
  }

  @Test func noOperations() throws {
    try check([2, 3], []) { g, x in g.Mul(g.scalar(1), g.Div(x, g.scalar(1))) }
    try check([2, 3], []) { g, x in g.Cast(x, attributes: ["to": .int(1)]) }
    try check([2, 3], []) { g, x in g.CastLike(x, g.scalar(2)) }
    try check([2, 3], []) { g, x in g.Reshape(x, g.ints([2, -1])) }
    try check([2, 3], []) { g, x in g.Expand(x, g.ints([1, 3])) }
    try check([2, 3], []) { g, x in g.Identity(g.Identity(x)) }
    try check([2, 3], []) { g, x in
      g.Add(x, g.constant(Tensor([Float](repeating: 0, count: 6), shape: [2, 3])))
    }
    try check([2, 3], []) { g, x in
      g.Add(g.Mul(g.ConstantOfShape(g.Shape(x)), g.scalar(0)), x)
    }
  }

  @Test func whatDoesSomethingStays() throws {
    try check([2, 3], ["Mul"]) { g, x in g.Mul(x, g.scalar(2)) }
    try check([3], ["Mul"]) { g, x in g.Mul(x, g.constant(Tensor([Float(1)], shape: [1, 1]))) }
    try check([2, 3], ["Cast"]) { g, x in g.Cast(x, attributes: ["to": .int(11)]) }
    try check([2, 3], ["Reshape"]) { g, x in g.Reshape(x, g.ints([3, 2])) }
    try check([1, 3], ["Expand"]) { g, x in g.Expand(x, g.ints([2, 3])) }
    try check([2, 3], ["Add"]) { g, x in g.Add(x, g.constant(Tensor([Float(0), 0, 1], shape: [3]))) }
    try check([3], ["Add"]) { g, x in
      g.Add(x, g.constant(Tensor([Float](repeating: 0, count: 6), shape: [2, 3])))
    }
    try check([2, 3], ["ConstantOfShape", "Add"]) { g, x in
      let ones: Attribute = .tensor(Tensor([Float(1)], shape: [1]))
      return g.Add(x, g.ConstantOfShape(g.ints([2, 3]), attributes: ["value": ones]))
    }
  }

  @Test func viewsOfViews() throws {
    try check([2, 3, 4], ["Reshape"]) { g, x in g.Reshape(g.Reshape(x, g.ints([0, -1])), g.ints([4, 6])) }
    try check([2, 3, 4], []) { g, x in g.Reshape(g.Reshape(x, g.ints([0, -1])), g.ints([2, 3, 4])) }
    try check([2, 3], ["Reshape"]) { g, x in g.Unsqueeze(g.Unsqueeze(x, g.ints([2])), g.ints([3])) }
    try check([2, 1, 3], ["Reshape"]) { g, x in
      g.Flatten(g.Squeeze(x, g.ints([1])), attributes: ["axis": .int(0)])
    }
    try check([0, 3], ["Reshape", "Reshape"]) { g, x in
      g.Reshape(g.Reshape(x, g.ints([3, -1])), g.ints([-1, 3]))
    }
  }

  @Test func transpositionThroughViews() throws {
    func through(_ joined: [Int], _ perm: [Int], _ parted: [Int]) -> (GraphBuilder, Value) -> Value {
      { g, x in
        g.Reshape(
          g.Transpose(g.Reshape(x, g.ints(joined)), attributes: ["perm": .ints(perm)]), g.ints(parted))
      }
    }
    try check([2, 3, 4, 5], ["Transpose"], through([-1, 4, 5], [0, 2, 1], [2, 3, 5, 4]))
    try check(
      [2, 3, 4, 5], ["Reshape", "Transpose", "Reshape"], through([4, 6, 5], [0, 2, 1], [2, 3, 5, 4]))
    let g = GraphBuilder()
    var random = Seeded(22)
    let x = g.input("x", .float32, [2, 3, 4, 5])
    g.output(through([6, 4, 5], [1, 0, 2], [2, 3, 5, 4])(g, x), as: "y", nil)
    g.output(through([6, 4, 5], [0, 2, 1], [3, 2, 5, 4])(g, x), as: "z", nil)
    let inputs = ["x": random.tensor([2, 3, 4, 5])]
    let harness = try RuleHarness(g.graph, .recognition, inputs)
    #expect(harness.count("Transpose") == 2)
    #expect(harness.trace.contains { $0.hasSuffix("the last two axes are not swapped") })
    #expect(harness.trace.contains { $0.hasSuffix("the second reshape does not part the leading axes") })
    #expect(try harness.difference(inputs) == 0)
  }

  /// Equal nodes with equal constants are one, unless something alters a value of theirs.
  @Test func sharing() throws {
    let g = GraphBuilder()
    var random = Seeded(23)
    let x = g.input("x", .float32, [2, 3])
    func branch(_ axis: Int) -> Value {
      g.Concat(g.Tanh(g.Add(x, g.scalar(0.5))), x, attributes: ["axis": .int(axis)])
    }
    g.output(branch(0), as: "a", nil)
    g.output(branch(0), as: "b", nil)
    g.output(branch(1), as: "c", nil)
    let inputs = ["x": random.tensor([2, 3])]
    var harness = try RuleHarness(g.graph, .recognition, inputs)
    #expect(harness.count("Tanh") == 1 && harness.count("Add") == 1)
    #expect(harness.count("Concat") == 2)
    #expect(try harness.difference(inputs) == 0)
    let second = g.graph.nodes.filter { $0.op == "Tanh" }[1].outputs[0]
    harness = try RuleHarness(g.graph, .recognition, inputs, altered: [second])
    #expect(harness.count("Tanh") == 2)
    #expect(harness.count("Concat") == 3)
    #expect(try harness.difference(inputs) == 0)
  }

  /// A chain of Identities is used at every link, and thousands of nodes differ in an attribute alone.
  @Test func longChains() throws {
    let g = GraphBuilder()
    var random = Seeded(24)
    var links = [g.input("x", .float32, [2, 3])]
    for _ in 0..<500 { links.append(g.Identity(links.last!)) }
    let turned = links.enumerated().map { number, link in
      g.LeakyRelu(link, attributes: ["alpha": .float(Float(number % 250) / 250)])
    }
    g.output(turned.dropFirst().reduce(turned[0]) { g.Add($0, $1) }, as: "y", nil)
    let inputs = ["x": random.tensor([2, 3])]
    let harness = try RuleHarness(g.graph, .recognition, inputs)
    #expect(harness.count("LeakyRelu") == 250)
    #expect(harness.after.nodes.allSatisfy { $0.op != "LeakyRelu" || $0.inputs == ["x"] })
    #expect(try harness.difference(inputs) == 0)
  }
}
