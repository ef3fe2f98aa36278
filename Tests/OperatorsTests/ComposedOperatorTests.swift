import GraphIR
import Operators
import TestSupport
import Testing

/// Bodies of our own operators, run node by node, against the operators themselves.
@Suite struct ComposedOperatorTests {
  /// Compares every wanted output; `op` is a node of domain dsd.
  private func check(
    _ op: String, _ inputs: [Tensor?], _ attributes: [String: Attribute] = [:], wanted: [Bool] = [true],
    opset: Int = 23, symbolic: Bool = false
  ) throws {
    let node = Node(
      op, domain: "dsd", name: "n", inputs: inputs.enumerated().map { $1 == nil ? "" : "x\($0)" },
      outputs: wanted.enumerated().map { $1 ? "y\($0)" : "" }, attributes: attributes)
    var graph = Graph(opsets: ["": opset])
    var given: [String: Tensor] = [:]
    for (position, tensor) in inputs.enumerated() {
      guard let tensor else { continue }
      // Sizes of heads and numbers of channels are known, what stands before them may be open.
      let shape = tensor.shape.enumerated().map { axis, extent in
        symbolic && axis < tensor.rank - 1 && axis != 1 ? Dim.symbol("s\(position)_\(axis)") : .known(extent)
      }
      graph.inputs.append(ValueInfo("x\(position)", TensorType(tensor.dtype, shape)))
      given["x\(position)"] = tensor
    }
    graph.nodes = [node]
    let library = try FunctionLibrary(graph, .standard)
    let function = try #require(library.functions.first)
    #expect(function.name == op && function.domain == "dsd" && function.overload == "")
    #expect(function.attributes == attributes.keys.sorted())
    var body = Graph(opsets: ["": opset])
    body.nodes = function.nodes
    #expect(!body.nodes.contains { !$0.domain.isEmpty })
    let formal = Dictionary(
      zip(function.inputs, inputs).compactMap { name, tensor in tensor.map { (name, $0) } },
      uniquingKeysWith: { a, _ in a })
    let values = try NaiveEvaluator.values(body, formal)
    let expected = try NaiveEvaluator.values(graph, given)
    for (position, name) in node.outputs.enumerated() where !name.isEmpty {
      let actual = try #require(values[function.outputs[position]])
      let own = expected[name]!
      #expect(actual.dtype == own.dtype)
      #expect(
        Comparison.relativeToPeak(actual, own) < (own.dtype.isHalf ? 2e-3 : 2e-5), "\(op), output \(position)"
      )
    }
  }

  private var random = Seeded(4)

  @Test func everyOperatorOfOurDomainHasABody() {
    for type in OperatorSet.standard.all where type.schema.domain == "dsd" {
      #expect(type is any ComposedOperator.Type, "\(type.schema.name)")
    }
  }

  @Test mutating func layers() throws {
    let (x, w, b) = (random.tensor([2, 5, 6]), random.tensor([4, 6]), random.tensor([4]))
    try check("Linear", [x, w])
    try check("Linear", [x, w, b])
    try check("SiLU", [x])
    for opset in [13, 18, 23] {
      for form in ["none", "tanh"] {
        try check("Gelu", [x], ["approximate": .string(form)], opset: opset)
        try check("GEGLU", [x], ["approximate": .string(form)], opset: opset)
      }
      let axis = ["axis": Attribute.int(1), "epsilon": .float(1e-3)]
      let parameters = (random.tensor([5, 6]), random.tensor([5, 6]))
      try check("LayerNormalization", [x, parameters.0, parameters.1], axis, opset: opset)
      try check("LayerNormalization", [x, parameters.0], axis, wanted: [true, true, true], opset: opset)
      try check("RMSNormalization", [x, parameters.0], axis, opset: opset)
    }
    for opset in [13, 18, 23] {
      try check(
        "GroupNormalization", [random.tensor([2, 6, 3, 5]), random.tensor([6]), random.tensor([6])],
        ["num_groups": .int(3)], opset: opset)
    }
  }

  /// An operator that is newer than the graph's opset is written with its body, others as they are.
  @Test func newerOperators() throws {
    let type = TensorType(.float32, [2, 3])
    for (opset, domain) in [(14, "dsd"), (20, "")] {
      var graph = Graph(opsets: ["": opset])
      graph.inputs = [ValueInfo("x", type)]
      graph.nodes = [
        Node("Tanh", name: "a", inputs: ["x"], outputs: ["t"]),
        Node("Gelu", name: "b", inputs: ["t"], outputs: ["y"]),
      ]
      graph.outputs = [ValueInfo("y", type)]
      let named = graph.namingNewer(in: .standard)
      #expect(named.nodes.map(\.domain) == ["", domain])
      #expect(named.opsets["dsd"] == (domain.isEmpty ? nil : 1))
      #expect(try FunctionLibrary(named, .standard).functions.map(\.name) == (domain.isEmpty ? [] : ["Gelu"]))
      var random = Seeded(9)
      let x = random.tensor([2, 3])
      let (a, b) = (try NaiveEvaluator.values(graph, ["x": x]), try NaiveEvaluator.values(named, ["x": x]))
      #expect(a["y"]!.array(of: Float.self) == b["y"]!.array(of: Float.self))
    }
  }

  @Test(arguments: [13, 18, 23])
  func gradients(_ opset: Int) throws {
    var random = Seeded(UInt64(opset))
    let (x, dY) = (random.tensor([2, 6, 3, 5]), random.tensor([2, 6, 3, 5]))
    try check("Swish", [x], ["alpha": .float(1.7)], opset: opset)
    try check("SwishGradient", [x, dY], ["alpha": .float(1.7)], opset: opset)
    try check("GeluGradient", [x, dY], opset: opset)
    try check("GeluGradient", [x, dY], ["approximate": .string("tanh")], opset: opset)
    let all = [true, true, true]
    try check(
      "GroupNormalizationGradient", [x, random.tensor([6]), dY], ["num_groups": .int(3)], wanted: all,
      opset: opset)
    for axis in 0..<4 {
      try check(
        "LayerNormalizationGradient", [x, random.tensor(Array(x.shape[axis...])), dY], ["axis": .int(axis)],
        wanted: all, opset: opset)
    }
  }

  /// Layouts, groups, masks, positions, the past and the stages of the scores, forward and back.
  @Test func attention() throws {
    var random = Seeded(8)
    let (batch, queries, keys, size, valueSize) = (2, 5, 7, 4, 3)
    for round in 0..<24 {
      let (keyHeads, group) = [(2, 1), (1, 3), (2, 2)][round % 3]
      let heads = keyHeads * group
      let packed = round % 2 == 0
      func make(_ heads: Int, _ count: Int, _ size: Int) -> Tensor {
        random.tensor(packed ? [batch, count, heads * size] : [batch, heads, count, size])
      }
      var inputs: [Tensor?] = [
        make(heads, queries, size), make(keyHeads, keys, size), make(keyHeads, keys, valueSize),
      ]
      var attributes: [String: Attribute] = [:]
      if packed { (attributes["q_num_heads"], attributes["kv_num_heads"]) = (.int(heads), .int(keyHeads)) }
      let past = round % 8 == 6 ? 3 : 0
      let shapes = [
        [queries, keys + past], [heads, 1, keys + past], [batch, 1, queries, keys + past], [queries, 1],
      ]
      let mask: Tensor? =
        switch round % 4 {
        case 1: random.tensor(shapes[round / 4 % 4])
        case 2:
          Tensor(
            random.tensor(shapes[round / 4 % 3]).array(of: Float.self).map { $0 > -0.3 },
            shape: shapes[round / 4 % 3])
        default: nil
        }
      inputs.append(mask)
      if round % 5 == 1 { attributes["is_causal"] = .int(1) }
      if round % 5 == 2 { attributes["softcap"] = .float(1.5) }
      if round % 5 == 3 {
        (attributes["left_window_size"], attributes["right_window_size"]) = (.int(2), .int(1))
      }
      if round % 6 == 4 { attributes["scale"] = .float(0.3) }
      if past == 0 {
        let forward = try NaiveRun.attention(inputs, attributes)
        let (dY, dlse) = (random.tensor(forward.y.shape), random.tensor(forward.lse.shape))
        let saved: [Tensor?] = [forward.y, forward.lse, dY, dlse]
        try check(
          "AttentionGradient", inputs + (round % 7 == 5 ? [nil, saved[1], nil, dlse] : saved), attributes,
          wanted: [true, true, true], symbolic: round % 3 == 0 && packed)
      }
      if past > 0 {
        inputs += [
          random.tensor([batch, keyHeads, past, size]), random.tensor([batch, keyHeads, past, valueSize]),
        ]
      } else if round % 8 == 3 {
        inputs += [nil, nil, Tensor([4, 6] as [Int64], shape: [2])]
      }
      attributes["qk_matmul_output_mode"] = .int(round / 6)
      try check("Attention", inputs, attributes, wanted: [true, past > 0, past > 0, true, true])
    }
  }

  @Test mutating func halfFloatsAreComputedWide() throws {
    let x = random.tensor([2, 3, 4, 4])
    let q = x.converted(to: .float16)
    try check("Attention", [q, q, q], wanted: [true, false, false, false, true])
    try check("SiLU", [x.converted(to: .bfloat16)])
  }

  /// Nodes with one body share a function; others are told apart by the overload.
  @Test func functionsAreShared() throws {
    let g = GraphBuilder()
    let x = g.input("x", .float32, ["b", 4])
    let w = g.constant(Tensor.zeros(.float32, [4, 4]))
    let b = g.constant(Tensor.zeros(.float32, [4]))
    var value = x
    for inputs in [[w], [w, b], [w]] { value = g.emit("Linear", domain: "dsd", [value] + inputs)[0] }
    g.output(value, as: "y", nil)
    let library = try FunctionLibrary(g.graph, .standard)
    #expect(library.functions.map(\.overload) == ["", "2"])
    #expect(library.overloads == [0: "", 1: "2", 2: ""])
    var old = g.graph
    old.opsets[""] = 12
    #expect(throws: DataError.self) { try FunctionLibrary(old, .standard) }
    #expect(try FunctionLibrary(Graph(), .standard).functions.isEmpty)
  }
}

private enum NaiveRun {
  /// Result and log-sum-exp.
  static func attention(
    _ inputs: [Tensor?], _ attributes: [String: Attribute]
  ) throws -> (y: Tensor, lse: Tensor) {
    let outputs = try OperatorHarness.runOperator(
      "Attention", domain: "dsd", inputs, attributes: attributes, outputs: 5)
    return (outputs[0], outputs[4])
  }
}
