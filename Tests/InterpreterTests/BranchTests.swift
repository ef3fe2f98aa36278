import GraphIR
import Interpreter
import Operators
import TestSupport
import Testing

@Suite struct BranchTests {
  /// One node that makes `r` of `x`, which the graph around makes.
  private func branch(_ op: String, _ inputs: [String] = ["x"]) -> Graph {
    var body = Graph(name: op)
    body.nodes = [Node(op, name: op, inputs: inputs, outputs: ["r"])]
    body.outputs = [ValueInfo("r", nil)]
    return body
  }

  private func graph(_ then: Graph, _ otherwise: Graph) -> Graph {
    var graph = Graph()
    graph.inputs = [
      ValueInfo("c", TensorType(.bool, [Dim]())), ValueInfo("a", TensorType(.float32, [2, 2])),
    ]
    graph.nodes = [
      Node("Neg", name: "neg", inputs: ["a"], outputs: ["x"]),
      Node(
        "If", name: "if", inputs: ["c"], outputs: ["y"],
        attributes: ["then_branch": .graph(then), "else_branch": .graph(otherwise)]),
      Node("Neg", name: "last", inputs: ["y"], outputs: ["z"]),
    ]
    graph.outputs = [ValueInfo("z", nil)]
    return graph
  }

  private func run(_ graph: Graph, _ condition: Bool) throws -> Tensor {
    let inputs = [
      "c": Tensor([condition], shape: []), "a": Tensor([Float(1), -2, 3, -4], shape: [2, 2]),
    ]
    return try plan(graph.validated(.standard), inputs).run(inputs)["z"]!
  }

  @Test func capturedValues() throws {
    let graph = graph(branch("Abs"), branch("Add", ["x", "x"]))
    #expect(try run(graph, true).floats == [-1, -2, -3, -4])
    #expect(try run(graph, false).floats == [2, -4, 6, -8])
  }

  @Test func branchesOfDifferentShapes() throws {
    let graph = graph(branch("Abs"), branch("Flatten"))
    #expect(try run(graph, true).shape == [2, 2])
    let other = self.graph(branch("Abs"), branch("NonZero"))
    #expect(message { try run(other, true) }?.contains("in one branch") == true)
    let ranks = self.graph(branch("Abs"), branch("ReduceSum"))
    #expect(try run(ranks, false).shape == [1, 1])
  }

  /// A branch that does not fit the inputs is an error when it is taken, and one that can fit none when it is read.
  @Test func branchThatDoesNotFit() throws {
    func chosen(_ extents: [Dim]) -> Graph {
      var graph = graph(branch("Add", ["x", "w"]), branch("Abs"))
      graph.inputs[1].type = TensorType(.float32, extents)
      graph.initializers["w"] = Initializer(Tensor([Float](repeating: 1, count: 5), shape: [5]))
      return graph
    }
    #expect(try run(chosen(["n", "m"]), false).floats == [-1, -2, -3, -4])
    let taken = message { try run(chosen(["n", "m"]), true) }
    #expect(taken?.contains("then_branch: node 'Add'") == true, "\(taken ?? "")")
    let read = message { try chosen([2, 2]).validated(.standard) }
    #expect(read?.contains("then_branch: node 'Add'") == true, "\(read ?? "")")
  }

  @Test func nested() throws {
    var outer = graph(branch("Abs"), branch("Neg"))
    outer.inputs = []
    outer.nodes.removeAll { $0.name == "neg" }
    outer.nodes[1].outputs = ["r"]
    outer.outputs = [ValueInfo("r", nil)]
    let graph = graph(outer, branch("Neg"))
    #expect(try run(graph, true).floats == [-1, -2, -3, -4].map { -$0 })
    #expect(try run(graph, false).floats == [-1, 2, -3, 4])
  }

  @Test func hostile() {
    var missing = graph(branch("Abs"), branch("Neg"))
    missing.nodes[1].attributes["else_branch"] = nil
    #expect(message { try run(missing, true) }?.contains("'else_branch' is missing") == true)
    var count = branch("Abs")
    count.outputs.append(ValueInfo("r", nil))
    #expect(message { try run(graph(count, branch("Abs")), true) }?.contains("2 outputs, the node 1") == true)
    #expect(
      message { try run(graph(branch("Abs", ["nowhere"]), branch("Abs")), true) }?
        .contains("undefined values: 'nowhere'") == true)
  }
}
