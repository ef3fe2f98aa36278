import GraphIR
import Testing

@Suite struct GraphSliceTests {
  /// x → a → (p, q); y = p + q; z = −x, with a weight that nothing uses.
  private var graph: Graph {
    var graph = Graph()
    graph.inputs = [ValueInfo("x", TensorType(.float32, [4]))]
    graph.nodes = [
      Node("Same", name: "a", inputs: ["x"], outputs: ["a"]),
      Node("Parts", name: "parts", inputs: ["a"], outputs: ["p", "q"]),
      Node("Sum2", name: "y", inputs: ["p", "q"], outputs: ["y"]),
      Node("Same", name: "z", inputs: ["x"], outputs: ["z"]),
    ]
    graph.initializers["unused"] = Initializer(.zeros(.float32, [2]))
    graph.outputs = [ValueInfo("y", TensorType(.float32, [2])), ValueInfo("z", nil)]
    return graph
  }

  @Test func keepsWhatIsNeeded() {
    let slice = graph.sliced(to: ["y"])
    #expect(slice.nodes.map(\.name) == ["a", "parts", "y"])
    #expect(slice.outputs == [ValueInfo("y", TensorType(.float32, [2]))])
    #expect(slice.initializers.isEmpty)
    #expect(graph.sliced(to: ["x"]).nodes.isEmpty)
    #expect(graph.sliced(to: ["z", "z"]).outputs.map(\.name) == ["z", "z"])
  }

  @Test func givenValuesBecomeInputs() {
    let slice = graph.sliced(to: ["y"], given: ["a", "z"])
    #expect(slice.inputs.map(\.name) == ["a"])
    #expect(slice.nodes.map(\.name) == ["parts", "y"])
    #expect(graph.sliced(to: ["a", "y"], given: ["a"]).outputs.map(\.name) == ["a", "y"])
  }

  /// A node that stays for one output does not make the given one again.
  @Test func oneOutputGiven() {
    let slice = graph.sliced(to: ["y"], given: ["p"])
    #expect(slice.nodes.map(\.outputs) == [["a"], ["", "q"], ["y"]])
    #expect(slice.inputs.map(\.name) == ["x", "p"])
  }

  @Test func givenInitializersGo() {
    var other = graph
    other.nodes[3].inputs = ["unused"]
    #expect(other.sliced(to: ["z"]).initializers.keys == ["unused"])
    let slice = other.sliced(to: ["z"], given: ["unused"])
    #expect(slice.initializers.isEmpty)
    #expect(slice.inputs.map(\.name) == ["unused"])
  }
}

@Suite struct TypeInferenceTests {
  private var graph: Graph {
    var graph = Graph()
    graph.initializers["c"] = Initializer(Tensor([Float(1), 2], shape: [2]))
    graph.nodes = [
      Node("Same", name: "a", inputs: ["c"], outputs: ["a"]),
      Node("Same", name: "b", inputs: ["a"], outputs: ["b"]),
    ]
    graph.outputs = [ValueInfo("b", nil)]
    return graph
  }

  @Test func constantsPropagate() throws {
    let inference = try TypeInference(graph, smallSet, pool: ThreadPool(threads: 1))
    #expect(inference.constants.keys.sorted() == ["a", "b", "c"])
    #expect(inference.types["b"] == TensorType(.float32, [2]))
  }

  @Test func opaqueValuesAreNotKnown() throws {
    let pool = ThreadPool(threads: 1)
    var inference = try TypeInference(graph, smallSet, opaque: ["a"], pool: pool)
    #expect(inference.constants.keys.sorted() == ["c"])
    #expect(inference.types["b"] == TensorType(.float32, [2]))
    inference = try TypeInference(graph, smallSet, opaque: ["c"], pool: pool)
    #expect(inference.constants.isEmpty)
  }

  @Test func fedValuesReplaceDefaults() throws {
    var other = graph
    other.inputs = [ValueInfo("c", TensorType(.float32, ["n"]))]
    let inference = try TypeInference(
      other, smallSet, inputs: ["c": TensorType(.float32, [3])], pool: ThreadPool(threads: 1))
    #expect(inference.constants.isEmpty)
    #expect(inference.types["b"] == TensorType(.float32, [3]))
  }
}

@Suite struct TopologicalOrderTests {
  @Test func staysNearTheFile() throws {
    var graph = Graph()
    graph.inputs = [ValueInfo("x", nil)]
    graph.nodes = [
      Node("Same", name: "1", inputs: ["x"], outputs: ["a"]),
      Node("Same", name: "2", inputs: ["c"], outputs: ["b"]),
      Node("Same", name: "3", inputs: ["x"], outputs: ["c"]),
      Node("Same", name: "4", inputs: ["a"], outputs: ["d"]),
    ]
    #expect(try graph.sorted().nodes.map(\.name) == ["1", "3", "2", "4"])
    graph.nodes[2].inputs = ["b"]
    #expect(message { try graph.sorted() } == "the graph has a cycle: '2' ← '3'")
  }

  /// A chain of many nodes in reverse does not need a deep stack.
  @Test func longChains() throws {
    var graph = Graph()
    graph.nodes = (0..<50_000).reversed().map {
      Node("Same", name: "n\($0)", inputs: ["v\($0)"], outputs: ["v\($0 + 1)"])
    }
    #expect(try graph.sorted().nodes.first?.name == "n0")
  }
}
