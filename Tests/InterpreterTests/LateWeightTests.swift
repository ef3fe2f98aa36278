import GraphIR
import Rewrites
import TestSupport
import Testing

@testable import Interpreter

/// `--memory low`: weights stay as they are stored, and are made right before the nodes that need them.
@Suite struct LateWeightTests {
  /// Three layers with weights in float16, the first of which is used twice.
  private static func model(_ random: inout Seeded) -> (graph: Graph, input: Tensor) {
    let g = GraphBuilder()
    let x = g.input("x", .float32, ["rows", 160])
    let casts = (0..<3).map { number in
      g.Cast(
        g.constant(random.tensor([160, 160]).converted(to: .float16), "w\(number)"),
        attributes: ["to": .int(1)],
        name: "cast\(number)")
    }
    // Where the last one is used the first time, all three have been made in the file.
    let first = g.MatMul(x, casts[2], name: "first")
    let second = g.MatMul(g.Relu(first, name: "relu"), casts[0], name: "second")
    let third = g.MatMul(
      second, g.Transpose(casts[1], attributes: ["perm": .ints([1, 0])], name: "turned"), name: "third")
    g.output(g.MatMul(third, casts[0], name: "fourth"), as: "y", nil)
    return (g.graph, random.tensor([24, 160]))
  }

  @Test func sameResultsInLessMemory() throws {
    var random = Seeded(7)
    var (graph, x) = Self.model(&random)
    let full = try plan(graph, ["x": x], rewrites: [RuleSet.recognition, RuleSet.fusion])
    let expected = try full.run(["x": x])["y"]!
    graph.metadata[MemoryUse.metadataKey] = "low"
    let low = try plan(graph, ["x": x], rewrites: [RuleSet.recognition, RuleSet.fusion])
    #expect(low.constantBytes <= 3 * 160 * 160 * 2 + 64)
    #expect(full.constantBytes >= 3 * 160 * 160 * 4)
    // Two weights at a time at most: one, and its transpose.
    #expect(low.arenaBytes < 2 * 160 * 160 * 4 + 8 * 24 * 160 * 4)
    let nodes = low.graph.nodes
    #expect(nodes.count { $0.op == "Cast" } == 4)
    for (position, node) in nodes.enumerated() where node.op == "Cast" {
      #expect(nodes[position + 1].inputs.contains(node.outputs[0]))
    }
    let result = try low.run(["x": x])["y"]!
    #expect(Comparison.relativeToPeak(result, expected) < 3e-6)
  }

  /// In a sweep a late weight belongs to the stage that needs it; nothing of it is held.
  @Test func sweep() throws {
    var random = Seeded(8)
    var (graph, x) = Self.model(&random)
    graph.metadata[MemoryUse.metadataKey] = "low"
    let prepared = try preparation(graph, ["x": x])
    let axis = Axis(rawValue: "number")
    let sweep = try SweepPlan(prepared, axes: ["x": axis], order: [axis])
    #expect(sweep.stages.count == 1)
    let expected = try plan(graph, ["x": x]).run(["x": x])["y"]!
    let run = SweepRun(sweep, counts: [axis: 3]) { _, _ in x }
    try run.run { _, outputs in #expect(outputs["y"]!.floats == expected.floats) }
    #expect(run.peakHeldBytes == 0)
  }

  @Test func quantizedWeights() throws {
    var random = Seeded(9)
    var (graph, x) = Self.model(&random)
    let expected = try plan(graph, ["x": x]).run(["x": x])["y"]!
    let quantized = WeightQuantization().apply(graph)
    #expect(quantized.count == 3)
    graph = quantized.graph
    #expect(graph.initializers.values.allSatisfy { [.int8, .float32].contains($0.dtype) })
    let full = try plan(graph, ["x": x]).run(["x": x])["y"]!
    #expect(Comparison.relativeToPeak(full, expected) < 2e-2)
    graph.metadata[MemoryUse.metadataKey] = "low"
    let low = try plan(graph, ["x": x])
    #expect(low.constantBytes < 3 * 160 * 160 + 4096)
    let result = try low.run(["x": x])["y"]!
    #expect(Comparison.relativeToPeak(result, full) < 3e-6)
    // Nothing is off by more than half a step of its channel, which the largest element sets.
    for name in ["w0", "w1", "w2"] {
      let codes = graph.initializers["\(name).int8"]!.tensor!.array(of: Int8.self)
      let scales = graph.initializers["\(name).scale"]!.tensor!.array(of: Float.self)
      let weight = Self.weight(name)
      // w1 is transposed before its product: its rows are the channels.
      for (i, w) in weight.enumerated() {
        let channel = name == "w1" ? i / 160 : i % 160
        #expect(abs(Float(codes[i]) * scales[channel] - w) <= scales[channel] * 0.501)
      }
      #expect(codes.max()! == 127 || codes.min()! == -127)
    }
  }

  /// A weight stays as it is where no scale fits it, and what a Cast makes of one is still of the Cast's type.
  @Test func quantizationLeavesWhatItCannotHold() throws {
    let g = GraphBuilder()
    let x = g.input("x", .float16, [4, 64])
    var values = (0..<64 * 64).map { Float($0 % 7) - 3 }
    let fine = Tensor(values, shape: [64, 64])
    values[5] = .infinity
    let infinite = Tensor(values, shape: [64, 64])
    values[5] = .nan
    let noNumber = Tensor(values, shape: [64, 64])
    for (name, weight) in [("fine", fine), ("infinite", infinite), ("none", noNumber)] {
      let half = g.Cast(g.constant(weight, name), attributes: ["to": .int(10)])
      g.output(g.MatMul(x, half), as: "y.\(name)", nil)
    }
    let quantized = WeightQuantization().apply(g.graph)
    #expect(quantized.count == 1)
    #expect(quantized.graph.initializers["fine.scale"]?.dtype == .float16)
    #expect(quantized.graph.initializers["infinite"] != nil && quantized.graph.initializers["none"] != nil)
    let input = Tensor([Float](repeating: 1, count: 4 * 64), shape: [4, 64]).converted(to: .float16)
    let y = try plan(quantized.graph, ["x": input], outputs: ["y.fine"]).run(["x": input])["y.fine"]!
    #expect(y.dtype == .float16)
  }

  private static func weight(_ name: String) -> [Float] {
    var random = Seeded(9)
    return model(&random).graph.initializers[name]!.tensor!.floats
  }
}
