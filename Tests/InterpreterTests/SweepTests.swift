import Foundation
import GraphIR
import Interpreter
import TestSupport
import Testing

@Suite struct SweepTests {
  private static let a = Axis(rawValue: "a")
  private static let b = Axis(rawValue: "b")
  private static let c = Axis(rawValue: "c")
  private static let axes = ["x0": a, "x1": b, "x2": c]

  private func preparation(_ graph: Graph, _ inputs: [String: Tensor], hooks: [any Hook] = []) throws
    -> Preparation
  {
    try InterpreterTests.preparation(graph, inputs, hooks: hooks)
  }

  /// The input for an index: different for each.
  private func feed(_ random: RandomGraph, _ name: String, _ position: SweepPosition) -> Tensor {
    let base = random.inputs[name]!
    guard let axis = Self.axes[name], let index = position[axis] else { return base }
    return Tensor(base.floats.map { $0 + 0.25 * Float(index) }, shape: base.shape)
  }

  @Test func analysis() {
    let g = GraphBuilder()
    let x = g.input("x", .float32, [1])
    let y = g.input("y", .float32, [1])
    let z = g.input("z", .float32, [1])
    let p = g.Neg(x)
    let q = g.Add(p, y)
    let r = g.Add(q, z)
    let s = g.Neg(z)
    let t = g.Neg(g.scalar(1))
    let analysis = AxisAnalysis(g.graph, inputs: ["x": Self.a, "y": Self.b])
    #expect(analysis[p.name] == [Self.a])
    #expect(analysis[q.name] == [Self.a, Self.b])
    #expect(analysis[r.name] == [Self.a, Self.b])
    #expect(analysis[s.name].isEmpty && analysis[t.name].isEmpty)
    // A fed value is on the axis that the caller gives it.
    #expect(AxisAnalysis(g.graph, inputs: ["x": Self.a, q.name: Self.b])[r.name] == [Self.b])
  }

  /// Grids over 0 to 3 axes, with room for everything, little and nothing.
  @Test(arguments: [[], ["a"], ["a", "b"], ["b", "a"], ["c", "a", "b"]], [1 << 20, 200, 0])
  func equalsPlainRuns(_ order: [String], _ budget: Int) throws {
    let order = order.map { Axis(rawValue: $0) }
    let counts = [Self.a: 3, Self.b: 2, Self.c: 1]
    for seed in 0..<25 as Range<UInt64> {
      var options = RandomGraph.Options()
      options.dynamic = seed % 4 == 0
      let random = try RandomGraph(seed: seed, options)
      let plan = try SweepPlan(
        preparation(random.graph, random.inputs), axes: Self.axes.filter { order.contains($0.value) },
        order: order)
      let plain = try InterpreterTests.plan(random.graph, random.inputs)
      let run = SweepRun(plan, counts: counts, budget: budget) { feed(random, $0, $1) }
      var visited: [SweepPosition: [String: Tensor]] = [:]
      try run.run { visited[$0] = $1 }
      #expect(visited.count == order.reduce(1) { $0 * counts[$1]! })
      for (position, outputs) in visited {
        var inputs: [String: Tensor] = [:]
        for name in random.inputs.keys { inputs[name] = feed(random, name, position) }
        let expected = try plain.run(inputs)
        #expect(Set(outputs.keys) == Set(expected.keys), "seed \(seed)")
        for (name, tensor) in outputs {
          #expect(tensor.isIdentical(to: expected[name]!), "seed \(seed), \(name)")
        }
      }
      #expect(run.peakHeldBytes <= budget)
      for (stage, runs) in zip(plan.stages, run.runs) {
        if budget == 1 << 20 {
          #expect(runs == plan.runs(stage, counts: counts) || runs == 0, "seed \(seed), \(stage.axes)")
        }
      }
    }
  }

  @Test func emptyAndSkippedPositions() throws {
    let random = try RandomGraph(seed: 1)
    let plan = try SweepPlan(
      preparation(random.graph, random.inputs), axes: Self.axes, order: [Self.a, Self.b, Self.c])
    let empty = SweepRun(plan, counts: [Self.a: 2, Self.b: 0]) { feed(random, $0, $1) }
    try empty.run { _, _ in Issue.record("there is nothing to visit") }
    #expect(empty.runs.allSatisfy { $0 == 0 })
    var visits = 0
    let some = SweepRun(plan, counts: [Self.a: 3, Self.b: 2]) { feed(random, $0, $1) }
    try some.run(skip: { $0[Self.a] == 1 }) { position, _ in
      visits += 1
      #expect(position[Self.a] != 1)
    }
    #expect(visits == 4)
    // Another order of an inner axis, asked for at each position of the outer one.
    var order: [[Int]] = []
    let moved = SweepRun(plan, counts: [Self.a: 3, Self.b: 3]) { feed(random, $0, $1) }
    try moved.run(visiting: { (axis: Axis, outer: SweepPosition) -> [Int]? in
      axis == Self.b ? (outer[Self.a] == 1 ? [2, 0, 1] : [1, 2, 0]) : nil
    }) { position, outputs in
      order.append([position[Self.a]!, position[Self.b]!])
      var expected: [String: Tensor] = [:]
      try SweepRun(plan, counts: [Self.a: 3, Self.b: 3]) { feed(random, $0, $1) }
        .run(skip: { $0 != position }) { expected = $1 }
      for (name, tensor) in outputs { #expect(tensor.isIdentical(to: expected[name]!)) }
    }
    #expect(order == [[0, 1], [0, 2], [0, 0], [1, 2], [1, 0], [1, 1], [2, 1], [2, 2], [2, 0]])
  }

  /// A hook is called once for each combination of the axes of its node, wherever its inputs are made.
  @Test func hooksOncePerCombination() throws {
    let g = GraphBuilder()
    let x = g.input("x", .float32, [1])
    let y = g.input("y", .float32, [1])
    let p = g.Neg(x, name: "p")
    let q = g.Tanh(y, name: "q")
    g.output(g.Add(p, q, name: "sum"), as: "out", nil)
    let inputs = ["x": Tensor([Float(1)], shape: [1]), "y": Tensor([Float(2)], shape: [1])]
    for demand in [Demand(inputs: [0]), Demand(inputs: [0, 1]), Demand(inputs: [1], outputs: [0])] {
      for outputs in [["out"], ["p"]] {
        var calls: [SweepPosition: Int] = [:]
        let hook = TestHook(select: { $0.name == "sum" ? demand : nil }) { _, values, position in
          calls[position, default: 0] += 1
          for (index, input) in demand.inputs.enumerated() {
            let expected = input == 0 ? -Float(position[Self.a]!) : tanh(Float(position[Self.b] ?? 0))
            #expect(abs(values[index].floats[0] - expected) < 1e-6)
          }
        }
        let plan = try SweepPlan(
          InterpreterTests.preparation(g.graph, inputs, outputs: outputs, hooks: [hook]),
          axes: ["x": Self.a, "y": Self.b], order: [Self.a, Self.b])
        try SweepRun(plan, counts: [Self.a: 3, Self.b: 2]) { name, position in
          Tensor([Float(name == "x" ? position[Self.a]! : position[Self.b]!)], shape: [1])
        }.run { _, _ in }
        // Where the node itself is not needed, the place of its input counts.
        let cut = outputs == ["p"] && demand == Demand(inputs: [0])
        #expect(calls.count == (cut ? 3 : 6), "\(demand) \(outputs)")
        #expect(calls.values.allSatisfy { $0 == 1 }, "\(demand) \(outputs)")
      }
    }
  }

  /// A value that a hook supplies is the same everywhere, whatever it depended on.
  @Test func suppliedValuesAreConstant() throws {
    let g = GraphBuilder()
    let x = g.input("x", .float32, [1])
    let y = g.input("y", .float32, [1])
    let p = g.Neg(x, name: "p")
    g.output(g.Mul(g.Tanh(p, name: "t"), y), as: "out", nil)
    let hook = TestHook(select: { _ in nil }) { _, _, _ in }
    hook.supplied = ["p": Tensor([Float(0.5)], shape: [1])]
    let inputs = ["y": Tensor([Float(2)], shape: [1])]
    let plan = try SweepPlan(
      preparation(g.graph, inputs, hooks: [hook]), axes: ["x": Self.a, "y": Self.b], order: [Self.a, Self.b])
    #expect(plan.stages.map(\.axes) == [[], [Self.b]])
    let run = SweepRun(plan, counts: [Self.a: 2, Self.b: 3]) { name, position in
      #expect(name == "y")
      return Tensor([Float(position[Self.b]!)], shape: [1])
    }
    try run.run { position, outputs in
      #expect(abs(outputs["out"]!.floats[0] - tanhf(0.5) * Float(position[Self.b]!)) < 1e-6)
    }
    #expect(run.runs == [1, 3])
  }
}
