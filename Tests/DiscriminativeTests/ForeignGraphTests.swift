import Discriminative
import Foundation
import TestSupport
import Testing

/// Graphs that torch exported, without any tags of ours.
@Suite struct ForeignGraphTests {
  static let files = [
    "unet-sd15-legacy-14", "unet-sd21-dynamo-23", "text-dynamo-18", "vae-encoder-legacy-17",
  ]
  static let unets = ["unet-sd15-legacy-14", "unet-sd21-dynamo-23"]

  private struct Export {
    let graph: Graph
    let tensors: SafetensorsFile

    init(_ name: String) throws {
      graph = try GraphReader.read(path: Fixtures.path("exports/\(name).onnx")).validated(.standard)
      tensors = try SafetensorsFile(path: Fixtures.path("exports/\(name).safetensors"))
    }

    func inputs(_ shape: String) throws -> [String: Tensor] {
      try Dictionary(
        uniqueKeysWithValues: graph.requiredInputs.map {
          ($0.name, try tensors.tensor("\(shape).in.\($0.name)"))
        })
    }

    func run(
      _ shape: String, outputs: [String]? = nil, hooks: [any Hook] = [], rewrites: Bool = true,
      _ change: (inout Graph, inout [String: Tensor]) throws -> Void = { _, _ in }
    ) throws -> [String: Tensor] {
      var inputs = try inputs(shape)
      var graph = graph
      try change(&graph, &inputs)
      let preparation = try Preparation(
        graph, .standard, inputs: inputs.mapValues { TensorType($0.dtype, $0.shape) }, outputs: outputs,
        hooks: hooks, rewrites: rewrites ? [RuleSet.recognition, RuleSet.fusion] : [],
        pool: ThreadPool(threads: 2))
      return try Plan(preparation).run(inputs.merging(preparation.supplied) { $1 })
    }
  }

  @Test(arguments: files, ["a", "b"]) func outputs(_ name: String, _ shape: String) throws {
    let export = try Export(name)
    for rewrites in [true, false] {
      let results = try export.run(shape, rewrites: rewrites)
      for info in export.graph.outputs {
        let expected = try export.tensors.tensor("\(shape).out.\(info.name)")
        #expect(Comparison.relativeToPeak(results[info.name]!, expected) <= 2e-5, "\(info.name)")
      }
    }
  }

  /// Exports that take whole timesteps take others as well after `RealTimestep`.
  @Test(arguments: unets) func timestepsBetweenWholeNumbers(_ name: String) throws {
    let export = try Export(name)
    let name = export.graph.outputs[0].name
    func run(_ shift: Float) throws -> Tensor {
      try export.run("a") { graph, inputs in
        graph = try RealTimestep().apply(graph)
        let whole = inputs["timestep"]!.converted(to: .float32)
        inputs["timestep"] = Tensor(whole.array(of: Float.self).map { $0 + shift }, shape: whole.shape)
      }[name]!
    }
    let plain = try export.run("a")[name]!
    #expect(try run(0).isIdentical(to: plain))
    let (near, far) = (try run(0.25), try run(1))
    #expect(Comparison.relativeToPeak(near, plain) > 1e-6)
    #expect(Comparison.largestDifference(near, plain) < Comparison.largestDifference(far, plain))
  }

  /// Whatever the exporter and its opset, the same blocks become the same operators; no primitives stay.
  @Test func canonicalOperators() throws {
    let counts = try Self.unets.map { name in
      let export = try Export(name)
      let preparation = try Preparation(
        export.graph, .standard, inputs: try export.inputs("a").mapValues { TensorType($0.dtype, $0.shape) },
        rewrites: [RuleSet.recognition, RuleSet.fusion], pool: ThreadPool(threads: 2))
      return Dictionary(preparation.graph.nodes.map { ($0.op, 1) }, uniquingKeysWith: +)
    }
    let (legacy, dynamo) = (counts[0], counts[1])
    for (op, count) in [
      "GroupNormalization": 21, "LayerNormalization": 12, "GEGLU": 4, "Attention": 8, "SiLU": 19,
    ] {
      #expect(legacy[op] == count && dynamo[op] == count, "\(op)")
    }
    for op in [
      "Softmax", "Erf", "ReduceMean", "InstanceNormalization", "Sigmoid", "Sqrt", "Pow", "Div", "Constant",
      "Shape",
      "Gather",
    ] { #expect(legacy[op] == nil && dynamo[op] == nil, "\(op)") }
    let (all, other) = (legacy.values.reduce(0, +), dynamo.values.reduce(0, +))
    #expect(abs(all - other) * 10 <= other, "\(all) and \(other)")
  }

  @Test(arguments: unets) func crossAttentionIsFound(_ name: String) throws {
    let export = try Export(name)
    let expected = try export.tensors.tensor("a.log_sum_exp")
    struct Facts: Decodable {
      let file: String
      let cross_attention_layers: [String]
    }
    let data = try Data(contentsOf: URL(fileURLWithPath: Fixtures.path("exports/exports.json")))
    let names = try JSONDecoder().decode([Facts].self, from: data)
      .first { $0.file == "\(name).onnx" }!.cross_attention_layers
    let score = AttentionScore(selection: .all, batch: expected.shape[1])
    _ = try export.run("a", outputs: [], hooks: [score])
    try #require(Set(score.layers.map(\.name)) == Set(names))
    let scores = try score.layerScores()
    let own = Tensor(
      names.flatMap { name in scores[score.layers.firstIndex { $0.name == name }!].map { Float($0) } },
      shape: expected.shape)
    #expect(Comparison.relativeToPeak(own, expected) <= 2e-5)
  }

  /// Captures every Softmax of a graph written out in primitives, then puts a uniform map in the place of one.
  @Test func captureAndReplace() throws {
    let export = try Export("unet-sd15-legacy-14")
    let capture = Capture(match: nil, op: "Softmax")
    let plain = try export.run("a", hooks: [capture])
    #expect(capture.values.count == 8)
    for (name, map) in capture.values {
      #expect(map.array(of: Float.self).allSatisfy { $0 >= 0 && $0 <= 1 }, "\(name)")
      let width = map.shape.last!
      let sum = map.array(of: Float.self).prefix(width).reduce(0, +)
      #expect(abs(sum - 1) < 1e-5)
    }
    let first = try #require(
      capture.values.first { $0.name.contains("down_blocks.0") && $0.name.contains("attn2") })
    let uniform = Tensor(
      [Float](repeating: 1 / Float(first.tensor.shape.last!), count: first.tensor.count),
      shape: first.tensor.shape)
    let output = export.graph.outputs[0].name
    let expected = try export.tensors.tensor("a.uniform.sample")
    let replaced = try export.run("a", hooks: [Replace([first.name: uniform])])
    #expect(Comparison.relativeToPeak(replaced[output]!, expected) <= 2e-5)
    #expect(Comparison.relativeToPeak(plain[output]!, expected) > 1e-4)

    // The same by a hook that alters values while the graph runs.
    let altering = Uniform(first.name)
    let altered = try export.run("a", hooks: [altering])
    #expect(altered[output]!.isIdentical(to: replaced[output]!))
    #expect(altering.calls == 1)
  }

  private final class Uniform: Hook {
    let name = "uniform"
    let view = HookView.source
    let value: String
    var calls = 0
    init(_ value: String) { self.value = value }

    func selects(_ node: Node, in context: HookContext) throws -> Demand? {
      node.outputs.first == value ? Demand(outputs: [0], alters: true) : nil
    }

    func didRun(_ node: Node, _ values: inout [Tensor], at position: SweepPosition) throws {
      calls += 1
      let count = values[0].count
      values[0] = Tensor(
        [Float](repeating: 1 / Float(values[0].shape.last!), count: count), shape: values[0].shape)
    }
  }
}
