import GraphIR
import TestSupport
import Testing

@testable import Interpreter

@Suite struct MemoryPlanTests {
  @Test func blocksThatLiveTogetherNeverOverlap() {
    var random = Seeded(1)
    for _ in 0..<300 {
      let blocks = (0..<Int.random(in: 0...40, using: &random)).map { _ in
        let first = Int.random(in: 0..<30, using: &random)
        return MemoryPlan.Block(
          bytes: Int.random(in: 0...600, using: &random), first: first,
          last: first + Int.random(in: 0..<8, using: &random))
      }
      let plan = MemoryPlan(blocks)
      for (i, a) in plan.blocks.enumerated() {
        #expect(a.offset % Storage.alignment == 0)
        #expect(a.offset + a.bytes <= plan.arenaBytes)
        for b in plan.blocks[(i + 1)...] where a.first <= b.last && b.first <= a.last {
          #expect(a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset)
        }
      }
      let live = (0..<40).map { step in
        blocks.reduce(0) { $0 + ($1.first <= step && step <= $1.last ? $1.bytes : 0) }
      }
      #expect(plan.arenaBytes >= live.max()!)
    }
  }

  /// Every step's inputs and outputs in the arena, over whole graphs: a value still to be read is never where
  /// another one is written.
  @Test func valuesStillNeededAreNotOverwritten() throws {
    for seed in 0..<100 as Range<UInt64> {
      let random = try RandomGraph(seed: seed)
      let plan = try plan(random.graph, random.inputs)
      var lastRead: [Int: Int] = [:]
      for (position, step) in plan.steps.enumerated() {
        for slot in step.inputs { lastRead[slot] = position }
      }
      // Views have their source's bytes.
      var bytes: [Int: Range<Int>] = [:]
      for (position, step) in plan.steps.enumerated() {
        for slot in step.outputs where slot >= 0 {
          guard let tensor = plan.initial[slot]?.tensor else { continue }
          let address = Int(bitPattern: tensor.pointer)
          let range = address..<address + tensor.byteCount
          if step.viewShape == nil {
            for (other, taken) in bytes where lastRead[other] ?? -1 > position && other != slot {
              #expect(!taken.overlaps(range), "seed \(seed), step \(position)")
            }
          }
          bytes[slot] = range
        }
      }
    }
  }

  @Test func reusesMemoryInChains() throws {
    let g = GraphBuilder()
    var value = g.input("x", .float32, [1000])
    for _ in 0..<20 { value = g.Tanh(g.Reshape(value, g.ints([10, 100]))) }
    g.output(value, as: "y", nil)
    let x = Tensor.zeros(.float32, [1000])
    #expect(try plan(g.graph, ["x": x]).arenaBytes <= 2 * 4032)
  }
}
