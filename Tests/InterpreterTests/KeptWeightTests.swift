import CKernels
import GraphIR
import Operators
import TestSupport
import Testing

@testable import Interpreter

/// Weights laid out ahead of runs: the same results, shared by plans beside each other, and none where memory is low.
@Suite struct KeptWeightTests {
  /// Linear layers, products and convolutions of every kind, each with a constant weight, and their inputs.
  private static func model(_ random: inout Seeded) -> (graph: Graph, inputs: [String: Tensor]) {
    let g = GraphBuilder()
    let x = g.input("x", .float32, [2, 20, 48])
    let image = g.input("image", .float32, [2, 16, 12, 12])
    func weight(_ shape: [Int], _ name: String) -> Value { g.constant(random.tensor(shape), name) }
    g.output(g.MatMul(x, weight([48, 72], "m"), name: "product"), as: "matmul", nil)
    let linear = g.emit(
      "Linear", domain: "dsd", [x, weight([40, 48], "l"), weight([40], "lb")], name: "layer")[0]
    g.output(linear, as: "linear", nil)
    func convolution(_ name: String, _ shape: [Int], _ attributes: [String: Attribute]) {
      let inputs = [image, weight(shape, "\(name).w"), weight([shape[0]], "\(name).b")]
      g.output(g.emit("Conv", inputs, attributes, name: "\(name)/Conv")[0], as: name, nil)
    }
    convolution("winograd", [24, 16, 3, 3], ["pads": .ints([1, 1, 1, 1])])
    convolution("pointwise", [40, 16, 1, 1], [:])
    convolution("strided", [24, 16, 3, 3], ["pads": .ints([1, 1, 1, 1]), "strides": .ints([2, 2])])
    convolution("wide", [24, 16, 5, 5], ["pads": .ints([2, 2, 2, 2])])
    convolution("grouped", [24, 8, 3, 3], ["pads": .ints([1, 1, 1, 1]), "group": .int(2)])
    return (g.graph, ["x": random.tensor([2, 20, 48]), "image": random.tensor([2, 16, 12, 12])])
  }

  @Test(arguments: [ProductPrecision.float32, .bfloat16]) func equalToThoseOfTheRun(
    _ precision: ProductPrecision
  )
    throws
  {
    var random = Seeded(3)
    var (graph, inputs) = Self.model(&random)
    graph = graph.asking(for: precision)
    var results: [[String: Tensor]] = []
    for threads in [1, 3] {
      let kept = try plan(graph, inputs, threads: threads)
      // Some are kept wherever there are kernels.
      #expect((kept.keptBytes > 0) == (ck_panels_available(0, 0) != nil))
      results.append(try kept.run(inputs))
      let again = try kept.run(inputs)
      for (name, value) in results.last! { #expect(again[name]!.floats == value.floats, "\(name)") }
    }
    for (name, value) in results[0] { #expect(results[1][name]!.floats == value.floats, "\(name)") }
    // Weights that are fed cannot be kept.
    var fed = inputs
    for name in graph.initializers.keys { fed[name] = graph.initializers[name]!.tensor! }
    let loose = try plan(graph, fed)
    #expect(loose.keptBytes == 0)
    let limit = precision == .float32 ? 3e-6 : 2e-2
    for (name, value) in try loose.run(fed) {
      #expect(Comparison.relativeToPeak(results[0][name]!, value) < limit, "\(name)")
    }
  }

  @Test func sharedByPlansBesideEachOther() throws {
    var random = Seeded(4)
    let (graph, inputs) = Self.model(&random)
    let first = try preparation(graph, inputs)
    let (a, b) = (try Plan(first), try Plan(first))
    let beside = try Plan(Preparation(beside: first, pool: ThreadPool(threads: 2)) { $0 })
    let expected = try a.run(inputs)
    for other in [b, beside] {
      #expect(other.keptBytes == a.keptBytes)
      for (name, value) in try other.run(inputs) { #expect(value.floats == expected[name]!.floats) }
    }
    #expect(first.keptWeights.byteCount == a.keptBytes)
  }

  @Test func noneWhereMemoryIsLow() throws {
    var random = Seeded(5)
    var (graph, inputs) = Self.model(&random)
    let expected = try plan(graph, inputs).run(inputs)
    graph.metadata[MemoryUse.metadataKey] = "low"
    let low = try plan(graph, inputs)
    #expect(low.keptBytes == 0)
    for (name, value) in try low.run(inputs) {
      #expect(Comparison.relativeToPeak(value, expected[name]!) < 3e-6)
    }
    graph.metadata[MemoryUse.metadataKey] = "little"
    #expect(message { try plan(graph, inputs) } == "metadata 'dsd.memory': 'little' is not full or low")
  }

  /// A hook may put another weight in the place of one.
  @Test func replacedWeightsAreNotKept() throws {
    var random = Seeded(6)
    let g = GraphBuilder()
    let x = g.input("x", .float32, [32, 32])
    let w = g.Identity(g.constant(random.tensor([32, 32]), "w"), name: "weight")
    g.output(g.MatMul(x, w, name: "product"), as: "y", nil)
    let hook = TestHook(
      select: { $0.name == "weight" ? Demand(outputs: [0], alters: true) : nil },
      run: { _, values, _ in values[0] = .zeros(.float32, [32, 32]) })
    let input = random.tensor([32, 32])
    let y = try plan(g.graph, ["x": input], hooks: [hook]).run(["x": input])["y"]!
    #expect(y.floats.allSatisfy { $0 == 0 })
  }
}
