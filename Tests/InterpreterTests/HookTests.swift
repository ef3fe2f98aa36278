import GraphIR
import Interpreter
import Rewrites
import TestSupport
import Testing

/// Positions of the inputs that are there.
private func present(_ node: Node) -> [Int] { node.inputs.indices.filter { !node.inputs[$0].isEmpty } }

@Suite struct HookTests {
  /// Captures every output of every node.
  private func capture(inputs: Bool = false) -> (TestHook, () -> [String: Tensor]) {
    final class Box { var values: [String: Tensor] = [:] }
    let box = Box()
    let hook = TestHook(
      select: { node in
        inputs
          ? Demand(inputs: present(node)) : Demand(outputs: Array(node.outputs.indices))
      },
      run: { node, values, _ in
        for (name, value) in zip(inputs ? present(node).map { node.inputs[$0] } : node.outputs, values) {
          // An input met twice is the same.
          if let seen = box.values[name] { #expect(seen.isIdentical(to: value), "\(name)") }
          box.values[name] = value.copy()
        }
      })
    return (hook, { box.values })
  }

  @Test(arguments: [false, true]) func everyValueOfRandomGraphs(inputs: Bool) throws {
    for seed in 0..<100 as Range<UInt64> {
      var options = RandomGraph.Options()
      options.dynamic = seed % 3 == 0
      let random = try RandomGraph(seed: seed, options)
      let expected = try NaiveEvaluator.values(random.graph, random.inputs)
      let (hook, captured) = capture(inputs: inputs)
      let results = try plan(random.graph, random.inputs, hooks: [hook]).run(random.inputs)
      let values = captured()
      let names = Set(random.graph.nodes.flatMap { inputs ? $0.inputs : $0.outputs }).subtracting([""])
      #expect(Set(values.keys) == names, "seed \(seed)")
      for (name, value) in values {
        #expect(value.isIdentical(to: expected[name]!), "seed \(seed), \(name)")
      }
      for (name, value) in results { #expect(value.isIdentical(to: expected[name]!), "seed \(seed)") }
    }
  }

  /// Inputs of one node are seen as they were when it ran, although its output could take their place.
  @Test func inputsOfSingleNodes() throws {
    for seed in 200..<300 as Range<UInt64> {
      let random = try RandomGraph(seed: seed)
      let expected = try NaiveEvaluator.values(random.graph, random.inputs)
      var generator = Seeded(seed)
      let chosen = random.graph.nodes.randomElement(using: &generator)!
      var calls = 0
      let hook = TestHook(
        select: { $0.name == chosen.name ? Demand(inputs: present($0), outputs: [0]) : nil },
        run: { node, values, _ in
          calls += 1
          for (name, value) in zip(present(node).map { node.inputs[$0] } + [node.outputs[0]], values) {
            #expect(value.isIdentical(to: expected[name]!), "seed \(seed), \(name) of \(node.label)")
          }
        })
      _ = try plan(random.graph, random.inputs, hooks: [hook]).run(random.inputs)
      #expect(calls == 1, "seed \(seed), \(chosen.label)")
    }
  }

  /// Replacing any value at run time does what substituting it does: views, inputs they are views of,
  /// constants and shapes included.
  @Test func alteredValues() throws {
    for seed in 400..<550 as Range<UInt64> {
      var options = RandomGraph.Options()
      options.dynamic = seed % 3 == 0
      let random = try RandomGraph(seed: seed, options)
      var generator = Seeded(seed)
      let name = random.graph.nodes.flatMap(\.outputs).randomElement(using: &generator)!
      let before = try NaiveEvaluator.values(random.graph, random.inputs)
      guard before[name]!.dtype == .float32 else { continue }
      let other = generator.tensor(before[name]!.shape)
      let expected = try NaiveEvaluator.values(random.graph, random.inputs) { $0 == name ? other : $1 }
      let hook = TestHook(
        select: { node in
          node.outputs.firstIndex(of: name).map { Demand(outputs: [$0], alters: true) }
        }, run: { _, values, _ in values[0] = other })
      let kept = random.inputs.mapValues { $0.copy() }
      let plan = try plan(random.graph, random.inputs, hooks: [hook])
      for _ in 0..<2 {
        for (output, value) in try plan.run(random.inputs) {
          #expect(
            value.isIdentical(to: expected[output]!), "seed \(seed), \(output)\n\(name)\n\(random.graph.text)"
          )
        }
      }
      for (input, value) in random.inputs { #expect(value.isIdentical(to: kept[input]!)) }
    }
  }

  @Test func alteredConstant() throws {
    let g = GraphBuilder()
    let x = g.input("x", .float32, [2])
    let two = g.Add(g.scalar(1), g.scalar(1), name: "two")
    g.output(g.Mul(x, g.Neg(two)), as: "y", nil)
    let x0 = Tensor([Float(1), 2], shape: [2])
    let hook = TestHook(
      select: { $0.name == "two" ? Demand(outputs: [0], alters: true) : nil },
      run: { _, values, _ in
        #expect(values[0].floats == [2])
        values[0] = Tensor(scalar: Float(5))
      })
    let plan = try plan(g.graph, ["x": x0], hooks: [hook], rewrites: [RuleSet.recognition, RuleSet.fusion])
    #expect(try plan.run(["x": x0])["y"]!.floats == [-5, -10])
  }

  @Test func foldedConstantsAreSeen() throws {
    let g = GraphBuilder()
    let x = g.input("x", .float32, [2])
    let two = g.Add(g.scalar(1), g.scalar(1), name: "two")
    g.output(g.Mul(x, two), as: "y", nil)
    for demand in [Demand(outputs: [0]), Demand(inputs: [0]), Demand(inputs: [0, 1])] {
      for view in [HookView.source, .canonical] {
        var calls = 0
        let hook = TestHook(
          view: view, select: { $0.name == "two" ? demand : nil }, run: { _, _, _ in calls += 1 })
        let x0 = Tensor([Float(1), 2], shape: [2])
        _ = try plan(g.graph, ["x": x0], hooks: [hook]).run(["x": x0])
        // The canonical graph has no node for it any more.
        #expect(calls == (view == .source ? 1 : 0), "\(demand)")
      }
    }
  }

  @Test func severalHooksSeeWhatEarlierOnesPut() throws {
    let g = GraphBuilder()
    let x = g.input("x", .float32, [2])
    g.output(g.Tanh(g.Neg(x, name: "middle")), as: "y", nil)
    var seen: [[Float]] = []
    let observe = {
      TestHook(select: { $0.name == "middle" ? Demand(outputs: [0]) : nil }) { _, values, _ in
        seen.append(values[0].floats)
      }
    }
    let alter = TestHook(select: { $0.name == "middle" ? Demand(outputs: [0], alters: true) : nil }) {
      _, values, _ in values[0] = .zeros(.float32, [2])
    }
    let x0 = Tensor([Float(1), 2], shape: [2])
    let plan = try plan(g.graph, ["x": x0], hooks: [observe(), alter, observe()])
    #expect(try plan.run(["x": x0])["y"]!.floats == [0, 0])
    #expect(seen == [[-1, -2], [0, 0]])
  }

  @Test func refusals() throws {
    let g = GraphBuilder()
    let x = g.input("x", .float32, [2])
    g.output(g.Neg(x, name: "middle"), as: "y", nil)
    let x0 = Tensor([Float(1), 2], shape: [2])
    func text(_ demand: Demand, _ run: @escaping (inout [Tensor]) throws -> Void = { _ in }) -> String? {
      let hook = TestHook("probe", select: { $0.name == "middle" ? demand : nil }) { _, values, _ in
        try run(&values)
      }
      return message { try plan(g.graph, ["x": x0], hooks: [hook]).run(["x": x0]) }
    }
    #expect(text(Demand(inputs: [1])) == "hook probe: node 'middle' (Neg) has no input 1")
    #expect(text(Demand(outputs: [1])) == "hook probe: node 'middle' (Neg) has no output 1")
    #expect(
      text(Demand(forms: [.scores])) == "hook probe: node 'middle' (Neg) cannot give its scores")
    let place = "node 'middle' (Neg) with inputs (float32[2]): "
    #expect(text(Demand(outputs: [0])) { _ in throw DataError("no room") } == place + "no room")
    #expect(
      text(Demand(outputs: [0], alters: true)) { $0[0] = .zeros(.float32, [3]) }
        == place + "hook probe put float32[3] in place of float32[2]")
    #expect(
      text(Demand(outputs: [0], alters: true)) { $0 = [] } == place + "hook probe gave back 0 values of 1")
    #expect(
      text(Demand(inputs: [0], alters: true)) { $0[0] = .zeros(.float32, [2]) }
        == place + "hook probe may not replace an input of the node")
    // Without `alters` nothing is taken over.
    #expect(text(Demand(outputs: [0])) { $0[0] = .zeros(.float32, [3]) } == nil)
  }

  /// Nodes that the wanted outputs do not need are run for hooks, those whose inputs are not fed are not.
  @Test func hooksReachBesideTheOutputs() throws {
    let g = GraphBuilder()
    let x = g.input("x", .float32, [1])
    let other = g.input("other", .float32, [1])
    g.output(g.Neg(x, name: "wanted"), as: "y", nil)
    _ = g.Abs(x, name: "beside")
    _ = g.Add(x, other, name: "unfed")
    var names: [String] = []
    let hook = TestHook(select: { _ in Demand(outputs: [0]) }) { node, _, _ in names.append(node.name) }
    let x0 = Tensor([Float(1)], shape: [1])
    let plan = try plan(g.graph, ["x": x0], outputs: ["wanted"], hooks: [hook])
    #expect(try plan.run(["x": x0]).keys.sorted() == ["wanted"])
    #expect(names.sorted() == ["beside", "wanted", "y"])
  }

  @Test func suppliedValues() throws {
    let g = GraphBuilder()
    let x = g.input("x", .float32, [2])
    g.output(g.Tanh(g.Neg(x, name: "middle")), as: "y", nil)
    let hook = TestHook(select: { _ in nil }) { _, _, _ in }
    hook.supplied = ["middle": .zeros(.float32, [2])]
    let plan = try plan(g.graph, [:], hooks: [hook])
    #expect(try plan.run(hook.supplied)["y"]!.floats == [0, 0])
    hook.supplied = ["nothing": .zeros(.float32, [2])]
    #expect(
      message { try InterpreterTests.plan(g.graph, [:], hooks: [hook]) }
        == "the graph has no value 'nothing' to replace")
  }
}
