import Foundation
import GraphIR
import TestSupport
import Testing

@testable import Interpreter

/// Positions of the innermost axis that run together.
@Suite struct SweepBatchingTests {
  private static let outer = Axis(rawValue: "outer")
  private static let inner = Axis(rawValue: "inner")
  private static let axes = ["x": outer, "y": inner]

  /// What is computed of an x [rows, 4] and a y [rows, 4].
  private static func graph(
    y: [Dim] = [.symbol("rows"), .known(4)], _ end: (GraphBuilder, Value, Value) -> Value
  ) -> Graph {
    let g = GraphBuilder()
    let x = g.input("x", .float32, [.symbol("rows"), .known(4)])
    let y = g.input("y", .float32, y)
    let w = g.constant(Tensor((0..<16).map { Float($0 % 5) - 2 }, shape: [4, 4]), "w")
    g.output(end(g, g.MatMul(g.Neg(x), w), g.Tanh(y)), as: "out", nil)
    return g.graph
  }

  private static func input(_ name: String, _ index: Int) -> Tensor {
    Tensor((0..<4).map { Float(index + 1) * 0.25 + Float($0) * (name == "x" ? 0.5 : -0.125) }, shape: [1, 4])
  }

  private func plan(_ graph: Graph, rows: Int?, _ hooks: [any Hook] = [], rowsOfY: Bool = true) throws
    -> SweepPlan
  {
    func prepare(_ rows: Int, _ hooks: [any Hook]) throws -> Preparation {
      try Preparation(
        graph, .standard,
        inputs: [
          "x": TensorType(.float32, [rows, 4]), "y": TensorType(.float32, [rowsOfY ? rows : 1, 4]),
        ], hooks: hooks, pool: ThreadPool(threads: 1))
    }
    let plan = try SweepPlan(prepare(1, hooks), axes: Self.axes, order: [Self.outer, Self.inner])
    plan.batch(rows, prepare: prepare)
    return plan
  }

  private func run(_ plan: SweepPlan, _ counts: (Int, Int), skip: (SweepPosition) -> Bool = { _ in false })
    throws
    -> (positions: [SweepPosition], outputs: [Tensor], run: SweepRun)
  {
    let run = SweepRun(plan, counts: [Self.outer: counts.0, Self.inner: counts.1]) { name, position in
      Self.input(name, position[Self.axes[name]!]!)
    }
    var (positions, outputs): ([SweepPosition], [Tensor]) = ([], [])
    try run.run(skip: skip) {
      positions.append($0)
      outputs.append($1["out"]!)
    }
    return (positions, outputs, run)
  }

  @Test(arguments: [1, 2, 3, 7, 8]) func equalsOneByOne(_ count: Int) throws {
    let graph = Self.graph { g, x, y in
      g.Add(g.MatMul(g.Mul(x, y), g.constant(Tensor([1, 2, 3, 4] as [Float], shape: [4, 1]), "v")), x)
    }
    let (positions, expected, one) = try run(plan(graph, rows: 1), (2, count))
    let together = try plan(graph, rows: 3)
    #expect(together.batching?.limit == 3)
    let (same, outputs, several) = try run(together, (2, count))
    #expect(positions == same && one.runs == several.runs)
    #expect(one.together == 0 && several.together == (count == 1 ? 0 : 2 * count))
    for (a, b) in zip(expected, outputs) {
      #expect(a.shape == b.shape)
      #expect(zip(a.floats, b.floats).allSatisfy { abs($0 - $1) <= 1e-6 * abs($0) })
    }
    // Every other position of the second row.
    func skip(_ position: SweepPosition) -> Bool {
      position[Self.outer] == 1 && position[Self.inner]! % 2 == 1
    }
    let (some, someOutputs, _) = try run(together, (2, count), skip: skip)
    #expect(some == positions.filter { !skip($0) })
    for (position, output) in zip(some, someOutputs) {
      let b = expected[positions.firstIndex(of: position)!]
      #expect(zip(output.floats, b.floats).allSatisfy { abs($0 - $1) <= 1e-6 * abs($0) })
    }
  }

  /// Hooks get each row's values at its position, those made elsewhere included.
  @Test func hooksSeeRows() throws {
    let graph = Self.graph { g, x, y in g.Mul(x, y, name: "product") }
    var seen: [SweepPosition: [[Float]]] = [:]
    let hook = TestHook(select: { $0.name == "product" ? Demand(inputs: [0, 1], outputs: [0]) : nil }) {
      _, values, position in
      #expect(values.allSatisfy { $0.shape == [1, 4] })
      #expect(seen.updateValue(values.map(\.floats), forKey: position) == nil)
    }
    let (positions, outputs, run) = try run(plan(graph, rows: 4, [hook]), (2, 6))
    #expect(run.together == 12)
    #expect(seen.count == 12)
    for (position, output) in zip(positions, outputs) {
      let values = try #require(seen[position])
      #expect(values[2] == output.floats)
      let y = Self.input("y", position[Self.inner]!).floats
      #expect(zip(values[1], y).allSatisfy { abs($0 - tanhf($1)) < 1e-6 })
      #expect(zip(values[0], values[1]).map { $0 * $1 } == values[2])
    }
  }

  /// A plan beside another has hooks and memory of its own.
  @Test func beside() throws {
    let graph = Self.graph { g, x, y in g.Mul(x, y, name: "product") }
    var counts = [0, 0]
    func hook(_ number: Int) -> TestHook {
      TestHook(select: { $0.name == "product" ? Demand(outputs: [0]) : nil }) { _, _, _ in counts[number] += 1
      }
    }
    let first = try plan(graph, rows: 3, [hook(0)])
    let own = hook(1)
    let second = try SweepPlan(beside: first, pool: ThreadPool(threads: 1)) { _ in own }
    #expect(second.batching?.limit == 3)
    let (_, expected, _) = try run(first, (1, 5))
    #expect(counts == [5, 0])
    let (_, outputs, _) = try run(second, (1, 5))
    #expect(counts == [5, 5])
    #expect(zip(expected, outputs).allSatisfy { $0.isIdentical(to: $1) })
  }

  /// What would mix rows, or has one value for all of them, runs one by one.
  @Test(arguments: [0, 1, 2, 3, 4, 5]) func mixedRows(_ kind: Int) throws {
    let graph: Graph
    switch kind {
    case 0:
      graph = Self.graph { g, x, y in
        g.Add(x, g.ReduceSum(y, g.constant(Tensor([Int64(0)], shape: [1]), "axes")))
      }
    case 1: graph = Self.graph { g, x, y in g.ReduceMax(g.Mul(x, y)) }
    case 2: graph = Self.graph { g, x, y in g.Transpose(g.Mul(x, y), attributes: ["perm": .ints([1, 0])]) }
    case 3: graph = Self.graph { g, x, y in g.Softmax(g.Mul(x, y), attributes: ["axis": .int(0)]) }
    case 4:
      graph = Self.graph { g, x, y in
        g.Slice(
          g.Concat(x, y, attributes: ["axis": .int(-2)]), g.constant(Tensor([Int64(0)], shape: [1]), "s"),
          g.constant(Tensor([Int64(1)], shape: [1]), "e"))
      }
    default: graph = Self.graph(y: [.known(1), .known(4)]) { g, x, y in g.Mul(x, y) }
    }
    let (positions, expected, one) = try run(plan(graph, rows: 1), (2, 5))
    let together = try plan(graph, rows: 3, rowsOfY: kind < 5)
    let (same, outputs, other) = try run(together, (2, 5))
    #expect(positions == same && one.runs == other.runs && other.together == 0)
    #expect(zip(expected, outputs).allSatisfy { $0.isIdentical(to: $1) })
  }

  /// Few multiply-adds for each weight, or short runs whose weights stay in the cache.
  @Test func rowsByTheModelsSize() {
    let cases: [(bytes: Int, multiplyAdds: Int, rows: Int)] = [
      // Full-size UNets at 8×8, 16×16 and 64×64 latents.
      (3_460_000_000, 6_000_000_000, 8), (3_460_000_000, 25_000_000_000, 8),
      (3_460_000_000, 400_000_000_000, 1),
      // The sample, one twice as slow, one too slow, and toys.
      (40_000_000, 389_000_000, 5), (40_000_000, 800_000_000, 3), (40_000_000, 5_000_000_000, 1),
      (1_000_000, 5_000_000, 1), (0, 0, 1), (Int.max, 1, 8), (0, .max, 1),
    ]
    for (bytes, multiplyAdds, rows) in cases {
      #expect(SweepBatching.rows(weightBytes: bytes, multiplyAdds: multiplyAdds) == rows)
      let stored = SweepBatching.rows(weightBytes: bytes, multiplyAdds: multiplyAdds, keepsWeights: false)
      #expect(stored == (bytes < 64 << 20 ? 1 : rows))
    }
  }

  /// Small models, and hooks that put something else in a value's place, run one by one.
  @Test func notTogether() throws {
    let graph = Self.graph { g, x, y in g.Mul(x, y, name: "product") }
    #expect(try plan(graph, rows: nil).batching == nil)
    let hook = TestHook(select: { $0.name == "product" ? Demand(outputs: [0], alters: true) : nil }) {
      _, _, _ in
    }
    #expect(try plan(graph, rows: 4, [hook]).batching == nil)
  }

  /// Groups are as equal as they can be, and none is larger than asked for.
  @Test func groups() throws {
    let batching = try #require(plan(Self.graph { g, x, y in g.Mul(x, y) }, rows: 4).batching)
    #expect(batching.groups(11).sorted() == [3, 4, 4])
    #expect(batching.groups(4) == [4] && batching.groups(5).sorted() == [2, 3] && batching.groups(0) == [])
  }
}
