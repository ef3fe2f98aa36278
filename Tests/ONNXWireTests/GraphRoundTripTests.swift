import GraphIR
import Testing

@testable import ONNXWire

@Suite struct GraphRoundTripTests {
  let scratch = Scratch()

  /// A graph with one of everything that a file can hold.
  static func everything() -> Graph {
    var body = Graph(name: "then")
    body.nodes = [Node("Neg", name: "n", inputs: ["x"], outputs: ["t"])]
    body.outputs = [ValueInfo("t", TensorType(.float32, nil as [Dim]?))]
    body.initializers["inner"] = Initializer(sample(.int64, [2]))
    var graph = Graph(name: "größe/图", opsets: ["": 23, "other.domain": 2], irVersion: 11, producer: "p")
    graph.inputs = [
      ValueInfo("x", TensorType(.float32, ["batch", .unknown, 3, 0])), ValueInfo("s", TensorType(.bool, [])),
      ValueInfo("untyped", nil),
    ]
    graph.outputs = [ValueInfo("y", TensorType(.bfloat16, nil as [Dim]?))]
    graph.valueTypes = ["z": TensorType(.int8, [2]), "a": TensorType(.float64, ["n"])]
    graph.metadata = ["dsd.kind": "ünï", "": "empty", "k": ""]
    for dtype in DType.allCases {
      graph.initializers["w.\(dtype)"] = Initializer(sample(dtype, [3, 2], seed: UInt64(dtype.rawValue)))
      graph.initializers["scalar.\(dtype)"] = Initializer(sample(dtype, []))
      graph.initializers["empty.\(dtype)"] = Initializer(sample(dtype, [2, 0]))
    }
    graph.nodes = [
      Node(
        "All", domain: "dsd", name: "scope/all", inputs: ["x", "", "w.float32"], outputs: ["y", "", "z"],
        attributes: [
          "int": .int(.min), "zero": .int(0), "float": .float(-0.0), "nan": .float(.nan),
          "string": .string("ä\0b"), "empty": .string(""), "ints": .ints([1, -2, .max]), "noInts": .ints([]),
          "floats": .floats([1.5, .infinity]), "noFloats": .floats([]), "strings": .strings(["", "ß"]),
          "noStrings": .strings([]), "tensor": .tensor(sample(.float16, [2, 2])),
          "scalar": .tensor(sample(.bool, [])), "graph": .graph(body),
        ],
        metadata: ["dsd.role": "cross", "dsd.layer": "a.b"]),
      Node("If", name: "if", inputs: ["s"], outputs: ["i"], attributes: ["then_branch": .graph(body)]),
      Node("Op", domain: "other.domain", name: "o", inputs: [], outputs: ["o"]),
    ]
    graph.nodes[0].attributes["graph"] = .graph(inheriting(graph, body))
    graph.nodes[1].attributes["then_branch"] = .graph(inheriting(graph, body))
    return graph
  }

  /// Subgraphs repeat what the model says once.
  private static func inheriting(_ graph: Graph, _ body: Graph) -> Graph {
    var body = body
    (body.opsets, body.irVersion, body.producer) = (graph.opsets, graph.irVersion, graph.producer)
    return body
  }

  @Test func everythingComesBack() throws {
    let graph = GraphRoundTripTests.everything()
    let path = scratch.file("g.pb")
    try GraphWriter.write(graph, to: path)
    let read = try GraphReader.read(path: path)
    #expect(read == graph)
    #expect(Array(read.initializers.keys) == Array(graph.initializers.keys))
    #expect(try GraphWriter.bytes(read) == scratch.bytes("g.pb"))
    #expect(scratch.names == ["g.pb"])
  }

  @Test func externalTensorsStayOutside() throws {
    let tensor = sample(.float32, [40, 50])
    try SafetensorsWriter.write(
      [("a", sample(.uint8, [3])), ("w", tensor)], to: scratch.file("unet/m.safetensors"))
    let entry = try #require(try SafetensorsFile(path: scratch.file("unet/m.safetensors")).entries["w"])
    var graph = Graph()
    let location = ExternalLocation(path: "unet/m.safetensors", offset: entry.offset, length: entry.length)
    graph.initializers["unet/w"] = Initializer(dtype: .float32, shape: [40, 50], external: location)
    graph.initializers["inline"] = Initializer(sample(.int64, [4]))
    graph.outputs = [ValueInfo("unet/w", nil)]
    let path = scratch.file("g.pb")
    try GraphWriter.write(graph, to: path)
    #expect(scratch.bytes("g.pb").count < 400)
    let read = try GraphReader.read(path: path)
    #expect(read == graph)
    #expect(try #require(read.initializers["unet/w"]?.tensor).isIdentical(to: tensor))
    let unbound = try GraphReader.read(path: path, weights: .leave)
    #expect(unbound == graph && unbound.initializers["unet/w"]?.tensor == nil && unbound.hasUnboundWeights)
    #expect(try unbound.bindingExternalData(in: scratch.path).initializers["unet/w"]?.tensor != nil)
  }

  @Test func graphsThatCannotBeWritten() throws {
    var graph = Graph()
    graph.initializers["w"] = Initializer(
      dtype: .int8, shape: [1], external: .init(path: "../w.bin", offset: 0, length: 1))
    expectRefusal("'w'", "../w.bin") { _ = try GraphWriter.bytes(graph) }
    graph = Graph()
    graph.nodes = [Node("A\0B", name: "n", inputs: [], outputs: [])]
    expectRefusal("'n'", "NUL") { _ = try GraphWriter.bytes(graph) }
    expectRefusal("/no/such/g.pb", "No such file") { try GraphWriter.write(Graph(), to: "/no/such/g.pb") }
  }

  @Test func nodesWithoutNamesGetOne() throws {
    var graph = Graph()
    graph.nodes = [
      Node("A", inputs: [], outputs: ["", "a"]), Node("B", name: "a", inputs: [], outputs: ["b"]),
      Node("C", name: "a", inputs: [], outputs: ["c"]), Node("D", inputs: [], outputs: []),
    ]
    let read = try GraphReader.read(try GraphWriter.bytes(graph))
    #expect(read.nodes.map(\.name) == ["a_1", "a", "a_2", "D"])
  }

  @Test func defaultDomainHasTwoNames() throws {
    var graph = Graph(opsets: ["ai.onnx": 20])
    graph.nodes = [Node("Neg", domain: "ai.onnx", name: "n", inputs: ["x"], outputs: ["y"])]
    let read = try GraphReader.read(try GraphWriter.bytes(graph))
    #expect(read.opsets == ["": 20] && read.nodes[0].domain == "")
  }
}
