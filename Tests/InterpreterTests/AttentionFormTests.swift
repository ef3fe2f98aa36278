import Foundation
import GraphIR
import Interpreter
import Rewrites
import TestSupport
import Testing

/// Derived forms of attention beside their direct computation.
@Suite struct AttentionFormTests {
  private static let shape = (batch: 2, heads: 3, queries: 5, keys: 4, size: 8)

  /// softmax(q·kᵀ·s + m)·v in primitives, or as one node.
  private func graph(fused: Bool) -> (Graph, [String: Tensor]) {
    let s = Self.shape
    var random = Seeded(21)
    let g = GraphBuilder()
    let q = g.input("q", .float32, [.known(s.batch), .known(s.heads), .known(s.queries), .known(s.size)])
    let k = g.input("k", .float32, [.known(s.batch), .known(s.heads), .known(s.keys), .known(s.size)])
    let v = g.input("v", .float32, [.known(s.batch), .known(s.heads), .known(s.keys), .known(s.size)])
    let m = g.input("m", .float32, [.known(s.queries), .known(s.keys)])
    if fused {
      g.output(g.Attention(q, k, v, m, attributes: ["scale": .float(0.7)], name: "attn"), as: "y", nil)
    } else {
      let turned = g.Transpose(k, attributes: ["perm": .ints([0, 1, 3, 2])])
      let scores = g.Add(g.Mul(g.MatMul(q, turned), g.scalar(0.7)), m, name: "direct")
      g.output(g.MatMul(g.Softmax(scores, name: "softmax"), v, name: "attn"), as: "y", nil)
    }
    return (
      g.graph,
      [
        "q": random.tensor([s.batch, s.heads, s.queries, s.size]),
        "k": random.tensor([s.batch, s.heads, s.keys, s.size]),
        "v": random.tensor([s.batch, s.heads, s.keys, s.size]),
        "m": random.tensor([s.queries, s.keys]),
      ]
    )
  }

  private func forms(_ graph: Graph, _ inputs: [String: Tensor], _ forms: [ValueForm]) throws -> [Tensor] {
    var seen: [Tensor] = []
    let hook = TestHook(
      view: .canonical, select: { $0.op == "Attention" ? Demand(forms: forms) : nil },
      run: { _, values, _ in seen = values.map { $0.copy() } })
    _ = try plan(graph, inputs, hooks: [hook], rewrites: [RuleSet.recognition, RuleSet.fusion]).run(inputs)
    return seen
  }

  @Test(arguments: [true, false]) func equalDirectComputation(fused: Bool) throws {
    let (graph, inputs) = graph(fused: fused)
    let values = try NaiveEvaluator.values(self.graph(fused: false).0, inputs)
    let scores = values["direct"]!
    let first = try forms(graph, inputs, [.logSumExp, .scores])
    #expect(Comparison.relativeToPeak(first[1], scores) < 2e-6)
    let width = Self.shape.keys
    let sums = stride(from: 0, to: scores.count, by: width).map { start in
      let row = scores.floats[start..<start + width].map { Double($0) }
      let peak = row.max()!
      return Float(peak + log(row.reduce(0) { $0 + exp($1 - peak) }))
    }
    let expected = Tensor(sums, shape: [Self.shape.batch, Self.shape.heads, Self.shape.queries])
    #expect(Comparison.relativeToPeak(first[0], expected) < 2e-6)
    let probabilities = try forms(graph, inputs, [.probabilities])
    #expect(Comparison.relativeToPeak(probabilities[0], values["softmax"]!) < 2e-6)
  }

  /// A node that has the form as an output of its own already.
  @Test func formsTheGraphNamesItself() throws {
    var (graph, inputs) = graph(fused: true)
    let expected = try forms(graph, inputs, [.probabilities])
    graph.nodes[0].outputs += ["", "", "maps"]
    graph.nodes[0].attributes["qk_matmul_output_mode"] = .int(3)
    graph.outputs.append(ValueInfo("maps", nil))
    let found = try forms(graph, inputs, [.probabilities])
    #expect(found.count == 1)
    #expect(found.first?.isIdentical(to: expected[0]) == true)
    #expect(
      message { try forms(graph, inputs, [.scores]) }
        == "hook test: node 'attn' (Attention) cannot give its scores")
  }

  /// A softmax that a hook replaces stays a value of its own, and the result follows it.
  @Test func replacedProbabilities() throws {
    let (graph, inputs) = graph(fused: false)
    let s = Self.shape
    let uniform = Tensor(
      [Float](repeating: 1 / Float(s.keys), count: s.batch * s.heads * s.queries * s.keys),
      shape: [s.batch, s.heads, s.queries, s.keys])
    let expected = try NaiveEvaluator.values(graph, inputs) { $0 == "softmax" ? uniform : $1 }["y"]!
    let hook = TestHook(select: { $0.op == "Softmax" ? Demand(outputs: [0], alters: true) : nil }) {
      _, values, _ in values[0] = uniform
    }
    let plan = try plan(graph, inputs, hooks: [hook], rewrites: [RuleSet.recognition, RuleSet.fusion])
    #expect(Comparison.relativeToPeak(try plan.run(inputs)["y"]!, expected) < 1e-6)
    // Only watching it keeps the fused operator.
    let watch = TestHook(select: { $0.op == "Softmax" ? Demand(outputs: [0]) : nil }) { _, _, _ in }
    let watched = try InterpreterTests.plan(graph, inputs, hooks: [watch], rewrites: [RuleSet.recognition])
    #expect(watched.graph.nodes.map(\.op).contains("Attention"))
    #expect(watched.graph.nodes.map(\.op).contains("Softmax"))
  }
}
