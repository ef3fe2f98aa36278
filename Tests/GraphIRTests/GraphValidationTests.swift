import GraphIR
import Testing

@Suite struct GraphValidationTests {
  /// x → a → y, with the nodes in reverse order.
  private var chain: Graph {
    var graph = Graph()
    graph.inputs = [ValueInfo("x", TensorType(.float32, ["n", 4]))]
    graph.nodes = [
      Node("Sum2", name: "second", inputs: ["a", "x"], outputs: ["y"]),
      Node("Same", name: "first", inputs: ["x"], outputs: ["a"]),
    ]
    graph.outputs = [ValueInfo("y", TensorType(.float32, ["n", 4]))]
    return graph
  }

  private func refusal(_ change: (inout Graph) -> Void) -> String? {
    var graph = chain
    change(&graph)
    return message { try graph.validated(smallSet) }
  }

  @Test func sortsNodes() throws {
    #expect(try chain.validated(smallSet).nodes.map(\.name) == ["first", "second"])
  }

  @Test func namesNodes() throws {
    var graph = chain
    graph.nodes[0].name = ""
    #expect(try graph.validated(smallSet).nodes.map(\.name) == ["first", "y"])
    graph.nodes[0].name = "first"
    #expect(try graph.validated(smallSet).nodes.map(\.name) == ["first", "first_1"])
  }

  @Test func listsUndefinedValues() {
    let text = refusal { $0.nodes[0].inputs = ["a", "zz"] }
    #expect(text == "undefined values: 'zz' (used by node 'second' (Sum2))")
    #expect(
      refusal { $0.outputs.append(ValueInfo("w", nil)) }
        == "undefined values: 'w' (an output of graph 'graph')")
  }

  @Test func refusesValuesMadeTwice() {
    #expect(
      refusal { $0.nodes[0].outputs = ["a"] }
        == "value 'a' is made twice: by node 'second' (Sum2) and by node 'first' (Same)")
    #expect(
      refusal { $0.nodes[1].outputs = ["x"] }
        == "value 'x' is made twice: by an input and by node 'first' (Same)")
    #expect(refusal { $0.inputs.append($0.inputs[0]) } == "two inputs are called 'x'")
  }

  @Test func refusesCycles() {
    let text = refusal { $0.nodes[1].inputs = ["y"] }
    #expect(text == "the graph has a cycle: 'second' ← 'first'")
  }

  @Test func listsUnknownOperatorsAtOnce() {
    let text = refusal { graph in
      for i in 0..<3 {
        graph.nodes.append(Node("Foo", name: "n\(i)", inputs: ["x"], outputs: ["f\(i)"]))
      }
      graph.nodes.append(Node("Baz", domain: "bar", name: "b", inputs: ["x"], outputs: ["g"]))
    }
    #expect(text == "unknown operators: Foo (3 nodes, first 'n0'), bar.Baz (1 node, first 'b')")
  }

  @Test func checksOpsets() throws {
    #expect(
      refusal { $0.opsets = ["": 99] } == "opset 99 of the default domain is not supported: 7 to 25 are")
    #expect(
      refusal { $0.opsets = [:] } == "no opset of the default domain is imported: 7 to 25 are supported")
    var graph = chain
    graph.opsets = ["ai.onnx": 18]
    #expect(try graph.validated(smallSet).opsets == ["": 18])
    // A foreign domain is no harm while nothing of it is used.
    graph.opsets["com.example"] = 3
    #expect(throws: Never.self) { try graph.validated(smallSet) }
  }

  @Test func wrongShapesOfComputedValuesGiveWay() throws {
    var graph = chain
    graph.outputs[0].type = TensorType(.float32, ["n", 5])
    graph.valueTypes["a"] = TensorType(.float32, [7])
    let checked = try graph.validated(smallSet)
    #expect(checked.outputs[0].type == TensorType(.float32, ["n", 4]))
    #expect(checked.valueTypes["a"] == TensorType(.float32, ["n", 4]))
  }

  @Test func namesBothTypes() {
    #expect(
      refusal { $0.outputs[0].type = TensorType(.float64, ["n", 4]) }
        == "value 'y' is declared as float64[n, 4], the graph gives float32[n, 4]")
    #expect(
      refusal { $0.valueTypes["a"] = TensorType(.float16, ["n", 4]) }
        == "value 'a' is declared as float16[n, 4], the graph gives float32[n, 4]")
  }

  @Test func namesNodeAndShapesOfAMismatch() {
    let text = refusal {
      $0.initializers["x2"] = Initializer(Tensor.zeros(.float32, [3]))
      $0.nodes[0].inputs = ["a", "x2"]
    }
    #expect(
      text == "node 'second' (Sum2) with inputs (float32[n, 4], float32[3]): shapes do not broadcast")
  }

  @Test func refusesUnknownAttributes() {
    #expect(
      refusal { $0.nodes[1].attributes["speed"] = .int(1) }
        == "node 'first' (Same): unknown attribute 'speed'")
  }

  @Test func checksBodiesWithWhatTheyCapture() throws {
    var body = Graph(name: "then")
    body.nodes = [
      Node("Same", name: "late", inputs: ["p"], outputs: ["q"]),
      Node("Same", name: "early", inputs: ["a"], outputs: ["p"]),
    ]
    body.outputs = [ValueInfo("q", nil)]
    var graph = chain
    graph.inputs.append(ValueInfo("c", TensorType(.bool, [Int]())))
    graph.nodes.insert(
      Node(
        "If", name: "choose", inputs: ["c"], outputs: ["z"],
        attributes: ["then_branch": .graph(body), "else_branch": .graph(body)]), at: 0)
    graph.outputs.append(ValueInfo("z", nil))
    let valid = try graph.validated(smallSet)
    #expect(valid.nodes.map(\.name) == ["first", "choose", "second"])
    #expect(valid.nodes[1].subgraphs[0].graph.nodes.map(\.name) == ["early", "late"])

    body.nodes[1].inputs = ["nowhere"]
    graph.nodes[0].attributes["then_branch"] = .graph(body)
    #expect(
      message { try graph.validated(smallSet) }
        == "node 'choose' (If), then_branch: undefined values: 'nowhere' (used by node 'early' (Same))")
    body.nodes[1].op = "Strange"
    graph.nodes[0].attributes["then_branch"] = .graph(body)
    #expect(
      message { try graph.validated(smallSet) } == "unknown operators: Strange (1 node, first 'early')")
  }

  @Test func defaultsOfInputsAreNotMadeTwice() throws {
    var graph = chain
    graph.initializers["x"] = Initializer(Tensor.zeros(.float32, [2, 4]))
    #expect(throws: Never.self) { try graph.validated(smallSet) }
  }
}
