import GraphIR
import Interpreter
import Operators
import TestSupport
import Testing

/// Sequences and optionals through plans.
@Suite struct SequenceTests {
  private func graph(_ nodes: [Node], _ inputs: [String], _ outputs: [String]) throws -> Graph {
    var graph = Graph()
    graph.inputs = inputs.map { ValueInfo($0, nil) }
    graph.nodes = nodes
    graph.outputs = outputs.map { ValueInfo($0, nil) }
    return try graph.validated(.standard)
  }

  private func run(_ graph: Graph, _ inputs: [String: RuntimeValue]) throws -> [String: RuntimeValue] {
    let types = inputs.compactMapValues { $0.tensor.map { TensorType($0.dtype, $0.shape) } }
    return try Plan(
      Preparation(
        graph, .standard, inputs: types, containers: Set(inputs.keys).subtracting(types.keys),
        pool: ThreadPool(threads: 1))
    ).runValues(inputs)
  }

  /// A tensor cut, changed by a loop over its pieces, and put together again.
  @Test func splitMapConcat() throws {
    var body = Graph(name: "body")
    body.inputs = [ValueInfo("piece", nil)]
    body.nodes = [Node("Mul", name: "square", inputs: ["piece", "piece"], outputs: ["result"])]
    body.outputs = [ValueInfo("result", nil)]
    for axis in [0, 1, -1] {
      let graph = try graph(
        [
          Node(
            "SplitToSequence", inputs: ["x", "parts"], outputs: ["pieces"], attributes: ["axis": .int(axis)]),
          Node("SequenceMap", inputs: ["pieces"], outputs: ["squares"], attributes: ["body": .graph(body)]),
          Node("ConcatFromSequence", inputs: ["squares"], outputs: ["y"], attributes: ["axis": .int(axis)]),
          Node("SequenceLength", inputs: ["squares"], outputs: ["n"]),
        ], ["x", "parts"], ["y", "n"])
      var random = Seeded(3)
      let x = random.tensor([4, 4, 4])
      for parts in [Tensor(scalar: Int64(3)), Tensor([Int64(1), 0, 3], shape: [3])] {
        let results = try run(graph, ["x": .tensor(x), "parts": .tensor(parts)])
        #expect(
          results["y"]!.tensor!.floats == x.floats.map { $0 * $0 }
            && results["y"]!.tensor!.shape == [4, 4, 4])
        #expect(results["n"]!.tensor!.array(of: Int64.self) == [parts.rank == 0 ? 2 : 3])
      }
    }
  }

  /// What is inserted is not overwritten when the memory of its maker is used again.
  @Test func elementsKeepTheirValues() throws {
    let graph = try graph(
      [
        Node("SequenceEmpty", inputs: [], outputs: ["s0"]),
        Node("Neg", inputs: ["x"], outputs: ["a"]),
        Node("SequenceInsert", inputs: ["s0", "a"], outputs: ["s1"]),
        Node("Abs", inputs: ["x"], outputs: ["b"]), Node("Exp", inputs: ["b"], outputs: ["c"]),
        Node("SequenceInsert", inputs: ["s1", "c", "zero"], outputs: ["s2"]),
        Node("Sin", inputs: ["c"], outputs: ["d"]), Node("Cos", inputs: ["d"], outputs: ["e"]),
        Node("SequenceAt", inputs: ["s2", "last"], outputs: ["y"]),
        Node("SequenceErase", inputs: ["s2"], outputs: ["s3"]),
      ], ["x", "zero", "last"], ["y", "s3", "e"])
    let x = Tensor([Float(1), -2, 3], shape: [3])
    let results = try run(
      graph,
      [
        "x": .tensor(x), "zero": .tensor(Tensor(scalar: Int64(0))),
        "last": .tensor(Tensor(scalar: Int64(-1))),
      ])
    #expect(results["y"]!.tensor!.floats == [-1, 2, -3])
    guard case .sequence(let rest)? = results["s3"] else {
      Issue.record("s3 is \(results["s3"]!.label)")
      return
    }
    #expect(rest.count == 1 && rest[0].shape == [3] && rest[0].floats[0] > 2.7)
  }

  @Test func optionalsThroughIdentityAndIf() throws {
    func branch(_ name: String, _ node: Node) -> Attribute {
      var body = Graph(name: name)
      body.nodes = [node]
      body.outputs = [ValueInfo(node.outputs[0], nil)]
      return .graph(body)
    }
    let graph = try graph(
      [
        Node("Identity", inputs: ["maybe"], outputs: ["same"]),
        Node("OptionalHasElement", inputs: ["same"], outputs: ["has"]),
        Node(
          "If", inputs: ["has"], outputs: ["y"],
          attributes: [
            "then_branch": branch("t", Node("OptionalGetElement", inputs: ["same"], outputs: ["got"])),
            "else_branch": branch("e", Node("Identity", inputs: ["default"], outputs: ["kept"])),
          ]),
      ], ["maybe", "default"], ["y"])
    let other = RuntimeValue.tensor(Tensor([Float(7)], shape: [1]))
    let given = RuntimeValue.tensor(Tensor([Float(5)], shape: [1]))
    #expect(try run(graph, ["maybe": .absent, "default": other])["y"]!.tensor!.floats == [7])
    #expect(try run(graph, ["maybe": given, "default": other])["y"]!.tensor!.floats == [5])
  }

  @Test func mistakesAreNamed() throws {
    let at = try graph(
      [Node("SequenceAt", name: "at", inputs: ["s", "i"], outputs: ["y"])], ["s", "i"], ["y"])
    let sequence = RuntimeValue.sequence([Tensor([Float(1)], shape: [1])])
    let position = { (value: Int64) in RuntimeValue.tensor(Tensor(scalar: value)) }
    #expect(
      message { try run(at, ["s": sequence, "i": position(1)]) }?.contains(
        "position 1 is outside a sequence of 1")
        == true)
    #expect(
      message { try run(at, ["s": position(0), "i": position(0)]) }?.contains("not a sequence") == true)
    let add = try graph([Node("Add", name: "add", inputs: ["s", "s"], outputs: ["y"])], ["s"], ["y"])
    #expect(
      message { try run(add, ["s": sequence]) }?.contains("node 'add' (Add) with inputs (a sequence of 1")
        == true)
    let mixed = try graph(
      [Node("SequenceConstruct", name: "c", inputs: ["a", "b"], outputs: ["s"])], ["a", "b"], ["s"])
    let one = RuntimeValue.tensor(Tensor([Float(1)], shape: [1]))
    #expect(message { try run(mixed, ["a": one, "b": position(1)]) }?.contains("must have one type") == true)
  }
}
