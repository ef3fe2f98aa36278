import GraphIR
import Testing

@Suite struct GraphComposeTests {
  private func part() -> Graph {
    let g = GraphBuilder(Graph(opsets: ["": 20]))
    let (x, y) = (g.input("x", .float32, [2]), g.input("y", .float32, [2]))
    let w = g.weight("w", Initializer(Tensor([Float(1), 2], shape: [2])))
    g.output(g.Add(g.Mul(x, w), y), as: "z", TensorType(.float32, [2]))
    return g.graph
  }

  @Test func namesGetAScopeAndInputsAreBound() throws {
    let g = GraphBuilder(Graph(opsets: ["": 20]))
    let a = g.input("a", .float32, [2])
    g.output(g.Neg(a, name: "b"), as: "b", nil)
    let (graph, outputs) = try g.graph.embedding(part(), scope: "part", binding: ["x": "b"])
    #expect(graph.inputs.map(\.name) == ["a", "part/y"])
    #expect(graph.outputs.map(\.name) == ["b"])
    #expect(outputs == ["z": "part/z"])
    #expect(graph.nodes.map(\.name) == ["b", "part/Mul", "part/Add", "part/z"])
    #expect(graph.nodes[1].inputs == ["b", "part/w"])
    #expect(graph.initializers.keys.contains("part/w"))
  }

  @Test func subgraphsTakeTheNewNames() {
    var body = Graph()
    body.nodes = [Node("Neg", name: "n", inputs: ["x"], outputs: ["inner"])]
    body.outputs = [ValueInfo("inner", nil)]
    var graph = Graph()
    graph.inputs = [ValueInfo("x", nil), ValueInfo("c", nil)]
    graph.nodes = [
      Node("If", name: "if", inputs: ["c"], outputs: ["r"], attributes: ["then_branch": .graph(body)])
    ]
    graph.outputs = [ValueInfo("r", nil)]
    let node = graph.inScope("s", binding: ["x": "outer"]).nodes[0]
    #expect(node.inputs == ["s/c"] && node.outputs == ["s/r"])
    #expect(node.subgraphs[0].graph.nodes[0].inputs == ["outer"])
    #expect(node.subgraphs[0].graph.nodes[0].outputs == ["inner"])
  }

  @Test func differingOperatorSetsAndTakenNamesAreRefused() throws {
    #expect(throws: DataError("'p' needs operator set 20 of ai.onnx, the graph has 23")) {
      try Graph().embedding(part(), scope: "p")
    }
    let (graph, _) = try Graph(opsets: ["": 20]).embedding(part(), scope: "p")
    #expect(throws: DataError.self) { try graph.embedding(part(), scope: "p") }
  }
}
