import GraphIR
import Testing

@testable import ONNXWire

@Suite struct FunctionExpansionTests {
  private func expand(_ nodes: [Wire], _ functions: [Wire], opsets: [Wire] = [Wire.opset("", 18)]) throws
    -> Graph
  {
    try GraphReader.read(
      Wire.model(Wire.graph(nodes), functions: functions, opsets: opsets + [Wire.opset("f", 1)]))
  }

  @Test func namesBecomeScopes() throws {
    let inner = Wire.function(
      "Inner", ["a"], ["b"],
      [Wire.node("Neg", ["a"], ["t"]), Wire.node("Exp", name: "e", ["t"], ["b"])])
    let outer = Wire.function(
      "Outer", ["p", "q", "r"], ["u", "v"],
      [
        Wire.node("Inner", domain: "f", name: "in", ["p"], ["m"]),
        Wire.node("Clip", ["m", "q", "r"], ["u"]), Wire.node("Abs", ["u"], ["v"]),
      ])
    let graph = try expand(
      [
        Wire.node("Outer", domain: "f", name: "call", ["x", ""], ["y"]),
        Wire.node("Outer", domain: "f", name: "call", ["y", "lo", "hi"], ["", "z"]),
      ], [outer, inner])
    #expect(
      graph.nodes.map { "\($0.name): \($0.outputs[0]) = \($0.op)(\($0.inputs.joined(separator: ",")))" } == [
        "call/in/t: call/in/t = Neg(x)", "call/in/e: call/m = Exp(call/in/t)", "y: y = Clip(call/m,,)",
        "call/v: call/v = Abs(y)", "call_1/in/t: call_1/in/t = Neg(y)",
        "call_1/in/e: call_1/m = Exp(call_1/in/t)",
        "call_1/u: call_1/u = Clip(call_1/m,lo,hi)", "z: z = Abs(call_1/u)",
      ])
    #expect(graph.opsets == ["": 18])
  }

  @Test func attributesComeFromTheCall() throws {
    let function = Wire.function(
      "F", ["x"], ["y"],
      [
        Wire.node(
          "Op", ["x"], ["y"],
          [
            Wire.reference("axis", to: "a"), Wire.reference("keep", to: "b"),
            Wire.reference("none", to: "c"),
          ])
      ],
      attributes: ["a", "c"], defaults: [Wire.intAttribute("b", 7)])
    let outer = Wire.function(
      "G", ["x"], ["y"], [Wire.node("F", domain: "f", ["x"], ["y"], [Wire.reference("a", to: "k")])],
      attributes: ["k"])
    let graph = try expand(
      [
        Wire.node("F", domain: "f", ["x"], ["p"], [Wire.intAttribute("a", 1)]),
        Wire.node("F", domain: "f", ["x"], ["q"], [Wire.intAttribute("b", 2), Wire.intAttribute("c", 3)]),
        Wire.node("G", domain: "f", ["x"], ["r"], [Wire.intAttribute("k", 9)]),
      ], [function, outer])
    #expect(
      graph.nodes.map(\.attributes) == [
        ["axis": .int(1), "keep": .int(7)], ["keep": .int(2), "none": .int(3)],
        ["axis": .int(9), "keep": .int(7)],
      ])
  }

  @Test func subgraphsAndConstantsInside() throws {
    let constant = Wire.node(
      "Constant", [], ["c"],
      [
        Wire().text(1, "value").message(5, Wire.tensor("", 7, [1]).bytes(9, [5, 0, 0, 0, 0, 0, 0, 0])).int(
          20, 4)
      ])
    let body = Wire.graph([Wire.node("Add", ["x", "c"], ["t"])]).message(12, Wire().text(1, "t"))
    let function = Wire.function(
      "F", ["s", "x"], ["y"],
      [constant, Wire.node("If", ["s"], ["y"], [Wire().text(1, "then_branch").message(6, body).int(20, 5)])])
    let graph = try expand(
      [
        Wire.node("F", domain: "f", name: "a", ["cond", "v"], ["y1"]),
        Wire.node("F", domain: "f", name: "b", ["cond", "w"], ["y2"]),
      ], [function])
    #expect(graph.nodes.map(\.op) == ["Constant", "If", "Constant", "If"])
    for (node, scope, value) in [(1, "a", "v"), (3, "b", "w")] {
      guard case .graph(let inner)? = graph.nodes[node].attributes["then_branch"] else {
        Issue.record("no subgraph")
        continue
      }
      #expect(inner.nodes[0].inputs == [value, "\(scope)/c"] && inner.outputs.map(\.name) == ["\(scope)/t"])
      #expect(inner.opsets == ["": 18])
      #expect(graph.nodes[node - 1].attributes["value"] == .tensor(Tensor([Int64(5)], shape: [1])))
    }
  }

  @Test func overloadsAndDomainsAreToldApart() throws {
    let functions = [
      Wire.function("F", overload: "one", ["x"], ["y"], [Wire.node("Neg", ["x"], ["y"])]),
      Wire.function("F", overload: "two", ["x"], ["y"], [Wire.node("Exp", ["x"], ["y"])]),
      Wire.function("Relu", ["x"], ["y"], [Wire.node("Abs", ["x"], ["y"])]),
    ]
    let graph = try expand(
      [
        Wire.node("F", domain: "f", overload: "two", ["x"], ["a"]), Wire.node("Relu", ["x"], ["b"]),
        Wire.node("Relu", domain: "f", ["x"], ["c"]), Wire.node("F", domain: "f", ["x"], ["d"]),
      ], functions)
    #expect(graph.nodes.map(\.qualifiedOp) == ["Exp", "Relu", "Abs", "f.F"])
    #expect(graph.opsets == ["": 18, "f": 1])
    expectRefusal("node 'a' (f.F)", "overload 'three'") {
      _ = try expand([Wire.node("F", domain: "f", overload: "three", ["x"], ["a"])], functions)
    }
  }

  @Test func outputsThatAreInputsAreCopied() throws {
    let function = Wire.function("F", ["x"], ["x", "y", "y"], [Wire.node("Neg", ["x"], ["y"])])
    let graph = try expand([Wire.node("F", domain: "f", ["v"], ["a", "b", "c"])], [function])
    #expect(
      graph.nodes.map { "\($0.op) \($0.inputs[0]) \($0.outputs[0])" }
        == ["Neg v b", "Identity v a", "Identity b c"])
  }

  @Test func operatorSetsAreMerged() throws {
    let function = Wire.function(
      "F", ["x"], ["y"], [Wire.node("Z", domain: "z", ["x"], ["y"])],
      opsets: [Wire.opset("", 17), Wire.opset("z", 3)])
    // The function uses nothing of the domain whose versions differ.
    #expect(try expand([Wire.node("F", domain: "f", ["x"], ["y"])], [function]).opsets == ["": 18, "z": 3])
    let other = Wire.function(
      "F", ["x"], ["y"], [Wire.node("Neg", ["x"], ["y"])], opsets: [Wire.opset("", 17)])
    expectRefusal("node 'y' (f.F)", "version 17 of ai.onnx", "version 18") {
      _ = try expand([Wire.node("F", domain: "f", ["x"], ["y"])], [other])
    }
    expectRefusal("18", "19", "ai.onnx") {
      _ = try expand([], [], opsets: [Wire.opset("", 18), Wire.opset("ai.onnx", 19)])
    }
  }

  @Test func hostileFunctionsAreRefused() {
    let call = [Wire.node("F", domain: "f", name: "n", ["x"], ["y"])]
    let itself = Wire.function("F", ["x"], ["y"], [Wire.node("F", domain: "f", ["x"], ["y"])])
    expectRefusal("node 'n' (f.F)", "calls itself") { _ = try expand(call, [itself]) }
    let narrow = Wire.function("F", [], ["y"], [])
    expectRefusal("node 'n' (f.F)", "0 inputs") { _ = try expand(call, [narrow]) }
    let plain = Wire.function("F", ["x"], ["y"], [])
    expectRefusal("'f.F'", "twice") { _ = try expand(call, [plain, plain]) }
    let chain = (0..<100).map { level in
      Wire.function(
        level == 0 ? "F" : "F\(level)", ["x"], ["y"], [Wire.node("F\(level + 1)", domain: "f", ["x"], ["y"])])
    }
    expectRefusal("too deep") { _ = try expand(call, chain) }
    // Each function calls the next ten times: 10^20 nodes from a few kilobytes.
    let bomb = (0..<20).map { level in
      Wire.function(
        level == 0 ? "F" : "F\(level)", ["x"], ["y"],
        (0..<10).map { Wire.node("F\(level + 1)", domain: "f", ["x"], [$0 == 0 ? "y" : "t\($0)"]) })
    }
    expectRefusal("expand to far more") {
      _ = try expand(
        call,
        bomb + [
          Wire.function("F20", ["x"], ["y"], [Wire.node("Neg", ["x"], ["y"])])
        ])
    }
    let outside = Wire.node("N", name: "n", [], [], [Wire.reference("a", to: "b")])
    expectRefusal("node 'n' (N)", "attribute 'a'", "outside a function") { _ = try expand([outside], []) }
  }
}
