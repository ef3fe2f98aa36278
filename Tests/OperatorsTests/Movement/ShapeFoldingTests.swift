import GraphIR
import Testing

@testable import Operators

/// Chains that exporters write to compute shapes are known before anything runs.
@Suite struct ShapeFoldingTests {
  private let set = OperatorSet(OperatorSet.movement, opsets: 7...28)

  private func split(_ batch: Dim) throws -> TensorInfo {
    let g = GraphBuilder()
    let x = g.input("x", .float32, [batch, 77, 768])
    let shape = g.Shape(x)
    let first = g.Gather(shape, g.ints([0]))
    let middle = g.Slice(shape, g.ints([1]), g.ints([2]), g.ints([0]))
    let last = g.Gather(shape, g.constant(.int(2)))
    let scalar = g.Unsqueeze(last, g.ints([0]))
    let wanted = g.emit("Concat", [first, middle, g.ints([12, -1])], ["axis": .int(0)])[0]
    let y = g.emit("Transpose", [g.Reshape(x, wanted)], ["perm": .ints([0, 2, 1, 3])])[0]
    g.output(y, as: "y", nil)
    let tail = g.emit("Shape", [y], ["start": .int(2)])[0]
    g.output(g.emit("Concat", [scalar, tail], ["axis": .int(0)])[0], as: "s", nil)
    let inference = try TypeInference(g.graph, set, pool: ThreadPool(threads: 1))
    return TensorInfo(y: inference.types["y"], s: inference.constants["s"])
  }

  private struct TensorInfo { var y: TensorType?, s: Tensor? }

  @Test func concrete() throws {
    let info = try split(2)
    #expect(info.y?.concreteShape == [2, 12, 77, 64])
    #expect(info.s?.array() == [Int64(768), 77, 64])
  }

  @Test func symbolic() throws {
    let info = try split("n")
    #expect(info.y?.rank == 4)
    #expect(info.s == nil)
  }

  @Test func allMovementOperatorsAreListed() {
    #expect(
      OperatorSet.movement.allSatisfy {
        OperatorSet.standard.type($0.schema.name, domain: $0.schema.domain) == $0
      })
  }
}
