import GraphIR
import Interpreter
import Operators
import TestSupport
import Testing

@Suite struct ScanTests {
  /// s = 2 s + x · scale for each slice x, where `scale` is a value of the graph around; every s is given.
  private func graph(_ attributes: [String: Attribute] = [:]) -> Graph {
    var body = Graph(name: "body")
    body.inputs = [ValueInfo("s", nil), ValueInfo("x", nil)]
    body.nodes = [
      Node("Add", name: "twice", inputs: ["s", "s"], outputs: ["double"]),
      Node("Mul", name: "mul", inputs: ["x", "scale"], outputs: ["scaled"]),
      Node("Add", name: "add", inputs: ["double", "scaled"], outputs: ["next"]),
      Node("Identity", name: "same", inputs: ["next"], outputs: ["slice"]),
    ]
    body.outputs = [ValueInfo("next", nil), ValueInfo("slice", nil)]
    var graph = Graph()
    graph.inputs = ["start", "xs", "scale"].map { ValueInfo($0, TensorType(.float32, nil as [Dim]?)) }
    graph.nodes = [
      Node(
        "Scan", name: "scan", inputs: ["start", "xs"], outputs: ["last", "all"],
        attributes: attributes.merging(["body": .graph(body), "num_scan_inputs": .int(1)]) { $1 })
    ]
    graph.outputs = [ValueInfo("last", nil), ValueInfo("all", nil)]
    return graph
  }

  private func run(_ attributes: [String: Attribute], axis: Int = 0) throws -> [String: Tensor] {
    let shape = axis == 0 ? [3, 2] : [2, 3]
    let values: [Float] = axis == 0 ? [1, 2, 3, 4, 5, 6] : [1, 3, 5, 2, 4, 6]
    let inputs = [
      "start": Tensor([Float(0), 1], shape: [2]), "xs": Tensor(values, shape: shape),
      "scale": Tensor([Float(10)], shape: []),
    ]
    return try plan(graph(attributes).validated(.standard), inputs).run(inputs)
  }

  @Test func walksTheFirstAxis() throws {
    let result = try run([:])
    #expect(result["last"]!.floats == [150, 228])
    #expect(result["all"]!.floats == [10, 22, 50, 84, 150, 228] && result["all"]!.shape == [3, 2])
  }

  @Test func otherAxesAndDirections() throws {
    let plain = try run([:])
    let column = try run(["scan_input_axes": .ints([1]), "scan_output_axes": .ints([-1])], axis: 1)
    #expect(column["last"]!.floats == plain["last"]!.floats && column["all"]!.shape == [2, 3])
    let rows = plain["all"]!.floats
    #expect(column["all"]!.floats == [rows[0], rows[2], rows[4], rows[1], rows[3], rows[5]])
    let backwards = try run(["scan_output_directions": .ints([1])])
    #expect(backwards["all"]!.floats == [rows[4], rows[5], rows[2], rows[3], rows[0], rows[1]])
    // From the last slice to the first: ((0·2 + 50)·2 + 30)·2 + 10, and 8 + 4·60 + 2·40 + 20.
    #expect(try run(["scan_input_directions": .ints([1])])["last"]!.floats == [270, 348])
  }

  @Test func mistakesAreNamed() {
    #expect(
      message { try run(["scan_input_axes": .ints([0, 1])]) }?.contains("'scan_input_axes' has 2 entries")
        == true)
    #expect(message { try run(["scan_input_axes": .ints([5])]) }?.contains("axis 5 is out of range") == true)
    var wrong = graph()
    wrong.nodes[0].attributes["num_scan_inputs"] = .int(2)
    wrong.nodes[0].inputs.append("xs")
    #expect(message { try wrong.validated(.standard) }?.contains("node 'scan' (Scan)") == true)
  }
}
