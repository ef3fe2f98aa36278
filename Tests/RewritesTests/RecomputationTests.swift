import GraphIR
import Interpreter
import Operators
import Rewrites
import TestSupport
import Testing

@Suite struct RecomputationTests {
  private let pool = ThreadPool(threads: 2)

  /// Six blocks y = x + tanh(tanh(tanh(x · W) · W) · W), and the gradient of the sum with respect to the first x, by
  /// hand.
  private func network() -> Graph {
    var random = Seeded(3)
    let g = GraphBuilder()
    var x = g.input("x", .float32, [64, 32])
    var parts: [(w: Value, layers: [Value])] = []
    for block in 0..<6 {
      x = g.scope("net") {
        g.scope("blocks.\(block)") {
          let w = g.constant(random.tensor([32, 32]), "w")
          var layers = [x]
          for _ in 0..<3 { layers.append(g.Tanh(g.MatMul(layers.last, w))) }
          parts.append((w, Array(layers.dropFirst())))
          return g.Add(x, layers[3])
        }
      }
    }
    g.output(g.ReduceSum(x, attributes: ["keepdims": .int(0)]), as: "loss", nil)
    g.scope("gradient") {
      var d = g.Expand(g.scalar(1), g.ints([64, 32]))
      for (w, layers) in parts.reversed() {
        var back = d
        for t in layers.reversed() {
          let slope = g.Sub(g.scalar(1), g.Mul(t, t))
          back = g.MatMul(g.Mul(back, slope), g.Transpose(w, attributes: ["perm": .ints([1, 0])]))
        }
        d = g.Add(d, back)
      }
      g.output(d, as: "dx", nil)
    }
    return g.graph
  }

  private func plan(_ graph: Graph, _ rewrites: [any GraphRewrite]) throws -> Plan {
    try Plan(
      Preparation(
        graph, .standard, inputs: ["x": TensorType(.float32, [64, 32])], rewrites: rewrites, pool: pool))
  }

  @Test(arguments: [false, true])
  func sameBitsInLessMemory(_ automatic: Bool) throws {
    var random = Seeded(5)
    let x = random.tensor([64, 32])
    let rewrite = automatic ? Recomputation.automatic : Recomputation(blocks: [Glob("net/blocks.*")])
    let whole = try plan(network(), [])
    // The rules that follow share equal nodes: the copies must stay apart.
    let part = try plan(network(), [rewrite, RuleSet.recognition, RuleSet.fusion])
    let (a, b) = (try whole.run(["x": x]), try part.run(["x": x]))
    #expect(a["dx"]!.isIdentical(to: b["dx"]!) && a["loss"]!.isIdentical(to: b["loss"]!))
    let names = part.graph.nodes.filter { $0.name.hasPrefix("recomputed/net/blocks.") }
    #expect(names.count { $0.op == "MatMul" } == 18 && names.count { $0.op == "After" } == 6)
    // Eighteen values are held without; those of one block and the inputs of the others with.
    #expect(part.arenaBytes < whole.arenaBytes * 2 / 3, "\(part.arenaBytes) of \(whole.arenaBytes) bytes")
    // Each block comes back right before it is needed.
    let order = part.graph.nodes.filter { $0.scope.first == "recomputed" && $0.op == "MatMul" }.map {
      $0.scope[2]
    }
    #expect(order == (0..<18).reversed().map { "blocks.\($0 / 3)" })
  }

  @Test func blocksAreChosen() throws {
    var graph = try network().sorted()
    for position in graph.nodes.indices {
      graph.nodes[position].metadata = ["dsd.winograd": "none", "dsd.precision": "float32", "note": "a note"]
    }
    let context = RewriteContext(operators: .standard, types: [:])
    func copies(_ patterns: String...) throws -> Int {
      try Recomputation(blocks: patterns.map { Glob($0) }).apply(graph, context).nodes
        .count { $0.scope.first == "recomputed" && $0.op != "After" }
    }
    #expect(try copies("net/blocks.2") == 6)
    #expect(try copies("net/blocks.2", "net/blocks.9") == 6)
    #expect(try copies("net/blocks.2", "net/blocks.4") == 12)
    #expect(try copies("other") == 0)
    // One block of all: what the six hand on to each other is inner as well.
    let all = try Recomputation(blocks: [Glob("net")]).apply(graph, context)
    let copied = all.nodes.filter { $0.scope.first == "recomputed" }
    // What decides bits is copied too.
    #expect(
      copied.filter { $0.op != "After" }.allSatisfy {
        $0.metadata == ["dsd.winograd": "none", "dsd.precision": "float32"]
      })
    #expect(copied.count { $0.op == "MatMul" } == 18 && copied.count { $0.op == "Add" } == 5)
    #expect(copied.count { $0.op == "After" } == 1)
    #expect(try plan(all, []).run(["x": Tensor.zeros(.float32, [64, 32])])["dx"] != nil)
  }
}
