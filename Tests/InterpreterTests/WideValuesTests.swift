import GraphIR
import Interpreter
import Operators
import TestSupport
import Testing

/// Between operators that compute in float32, 16-bit values are not rounded.
@Suite struct WideValuesTests {
  private enum Middle: CaseIterable { case nothing, moves, joins, cast, constant, hooked }

  /// A chain of sums, products and a sigmoid, with something in its middle.
  private func build(_ dtype: DType, _ middle: Middle) -> Graph {
    let g = GraphBuilder()
    var random = Seeded(51)
    func weight(_ shape: [Int]) -> Value {
      // The same numbers in both types.
      g.constant(random.tensor(shape).converted(to: .float16).converted(to: dtype))
    }
    let x = g.input("x", dtype, [4, 6])
    var y = g.Mul(g.Add(x, weight([6])), weight([4, 1]))
    switch middle {
    case .nothing: break
    case .moves:
      let halves = g.emit("Split", [g.Transpose(y)], ["axis": .int(0)], outputs: 2)
      y = g.Reshape(g.emit("Concat", halves, ["axis": .int(1)])[0], g.ints([4, 6]))
    case .joins: y = g.emit("Concat", [y, g.Mul(x, weight([6]))], ["axis": .int(0)])[0]
    case .cast: y = g.Cast(y, attributes: ["to": .int(10)])
    case .constant: y = g.emit("Concat", [y, weight([1, 6])], ["axis": .int(0)])[0]
    case .hooked: y = g.Neg(y, name: "middle")
    }
    if middle == .cast, dtype == .float32 { y = g.Cast(y, attributes: ["to": .int(1)]) }
    g.output(g.Sigmoid(g.MatMul(y, weight([6, 3]))), as: "y", nil)
    return g.graph
  }

  @Test func roundedOnceAtTheEnd() throws {
    var random = Seeded(52)
    let x = random.tensor([4, 6]).converted(to: .float16)
    for middle in Middle.allCases where middle != .constant && middle != .hooked {
      let half = try plan(build(.float16, middle), ["x": x]).run(["x": x])["y"]!
      let wide = ["x": x.converted(to: .float32)]
      let full = try plan(build(.float32, middle), wide).run(wide)["y"]!
      #expect(half.dtype == .float16)
      #expect(half.isIdentical(to: full.converted(to: .float16)), "\(middle)")
    }
  }

  /// What is joined with a constant is of the constant's type, and what a hook sees of the graph's.
  @Test func whatStaysNarrow() throws {
    var random = Seeded(53)
    let x = random.tensor([4, 6]).converted(to: .float16)
    let joined = build(.float16, .constant)
    let planned = try plan(joined, ["x": x]).run(["x": x])["y"]!
    let naive = try NaiveEvaluator.values(joined, ["x": x])["y"]!
    #expect(Comparison.relativeToPeak(planned, naive) < 2e-3)

    let watch = Watch()
    _ = try plan(build(.float16, .hooked), ["x": x], hooks: [watch]).run(["x": x])
    #expect(watch.seen?.dtype == .float16)
    #expect(watch.seen?.shape == [4, 6])
  }

  private final class Watch: Hook {
    let name = "watch"
    let view = HookView.source
    var seen: Tensor?
    func selects(_ node: Node, in context: HookContext) throws -> Demand? {
      node.name == "middle" ? Demand(outputs: [0]) : nil
    }
    func didRun(_ node: Node, _ values: inout [Tensor], at position: SweepPosition) throws {
      seen = values[0].copy()
    }
  }

  /// What stays narrow at the end of a long chain of moves makes all of it narrow, and its length costs no more.
  @Test func longChains() throws {
    let g = GraphBuilder()
    var random = Seeded(53)
    let tensor = random.tensor([2, 3])
    let x = g.input("x", .float16, [2, 3])
    var y = g.Neg(x)
    for _ in 0..<3000 { y = g.Transpose(y) }
    g.output(y, as: "y", nil)
    let inputs = ["x": tensor.converted(to: .float16)]
    let types = try preparation(g.graph, inputs).types
    #expect(types.values.allSatisfy { $0.dtype == .float16 })
    #expect(try plan(g.graph, inputs).run(inputs)["y"]!.shape == [2, 3])
  }
}
