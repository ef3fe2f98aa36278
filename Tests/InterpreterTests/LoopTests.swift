import GraphIR
import Interpreter
import Operators
import TestSupport
import Testing

@Suite struct LoopTests {
  /// s = s + a each turn, until s reaches `limit`; the scan output is s + a as well.
  private var graph: Graph {
    var body = Graph(name: "body")
    body.inputs = [ValueInfo("i", nil), ValueInfo("go", nil), ValueInfo("s", nil)]
    body.nodes = [
      Node("Add", name: "add", inputs: ["s", "a"], outputs: ["next"]),
      Node("Less", name: "less", inputs: ["next", "limit"], outputs: ["again"]),
      Node("Identity", name: "same", inputs: ["next"], outputs: ["slice"]),
    ]
    body.outputs = [
      ValueInfo("again", nil), ValueInfo("next", nil), ValueInfo("slice", TensorType(.float32, [Dim]())),
    ]
    var graph = Graph()
    graph.inputs = [
      ValueInfo("m", TensorType(.int64, [Dim]())), ValueInfo("c", TensorType(.bool, [Dim]())),
      ValueInfo("a", TensorType(.float32, [Dim]())), ValueInfo("limit", TensorType(.float32, [Dim]())),
    ]
    graph.nodes = [
      Node(
        "Loop", name: "loop", inputs: ["m", "c", "a"], outputs: ["sum", "steps"],
        attributes: ["body": .graph(body)])
    ]
    graph.outputs = [ValueInfo("sum", nil), ValueInfo("steps", nil)]
    return graph
  }

  private func run(_ graph: Graph, _ turns: Int, _ condition: Bool, limit: Float) throws -> [String: Tensor] {
    let inputs = [
      "m": Tensor([Int64(turns)], shape: []), "c": Tensor([condition], shape: []),
      "a": Tensor([Float(2)], shape: []), "limit": Tensor([limit], shape: []),
    ]
    let used = inputs.filter { name, _ in graph.inputs.contains { $0.name == name } }
    return try plan(graph.validated(.standard), used).run(used)
  }

  @Test func endsByCountOrCondition() throws {
    let counted = try run(graph, 3, true, limit: 100)
    #expect(counted["sum"]!.floats == [8])
    #expect(counted["steps"]!.floats == [4, 6, 8])
    #expect(try run(graph, .max, true, limit: 10)["steps"]!.floats == [4, 6, 8, 10])
  }

  @Test func withoutATurn() throws {
    for (turns, condition) in [(0, true), (-1, true), (5, false)] {
      let result = try run(graph, turns, condition, limit: 10)
      #expect(result["sum"]!.floats == [2])
      #expect(result["steps"]!.shape == [0])
    }
  }

  @Test func countAndConditionAreOptional() throws {
    var free = graph
    free.nodes[0].inputs = ["", "", "a"]
    free.inputs.removeFirst(2)
    #expect(try run(free, 0, true, limit: 5)["steps"]!.floats == [4, 6])
  }

  @Test func wrongCounts() {
    var wrong = graph
    wrong.nodes[0].inputs.append("a")
    #expect(message { try run(wrong, 1, true, limit: 1) }?.contains("the body has 3 inputs") == true)
  }
}
