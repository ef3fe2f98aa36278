import Discriminative
import TestSupport
import Testing

/// Adapters on graphs that torch exported, without any tags of ours.
@Suite struct ForeignAdapterTests {
  private struct Export {
    let graph: Graph
    let inputs: [String: Tensor]

    init(_ name: String) throws {
      let tensors = try SafetensorsFile(path: Fixtures.path("exports/\(name).safetensors"))
      let graph = try GraphReader.read(path: Fixtures.path("exports/\(name).onnx")).validated(.standard)
      inputs = try Dictionary(
        uniqueKeysWithValues: graph.requiredInputs.map { ($0.name, try tensors.tensor("a.in.\($0.name)")) })
      self.graph = graph
    }

    /// The graph for the inputs' shapes, with attention as nodes of its own.
    func recognised() throws -> Graph {
      try graph.applying(
        [RuleSet.recognition], .standard, inputs: inputs.mapValues { TensorType($0.dtype, $0.shape) },
        outputs: graph.outputs.map(\.name), pool: ThreadPool(threads: 1))
    }
  }

  private func random(_ seed: UInt64) -> (LearnedTensor) -> Tensor {
    var random = Seeded(seed)
    return { random.tensor($0.shape) }
  }

  /// The export's own lookup, with the learned vectors in the places of the start tokens that fill the gap.
  @Test func promptTokens() throws {
    let export = try Export("text-dynamo-18")
    let ids = export.inputs["input_ids"]!
    let positions = ids.shape[1]
    var graph = export.graph
    graph.inputs[0].type = TensorType(ids.dtype, ["batch", .known(positions)])
    let embedding = try #require(TokenEmbedding.all(in: graph, .standard).first)
    let count = 3
    let adapted = try PromptTokens(count: count).attached(to: graph, .standard, values: random(2))
    let vectors = adapted.graph.initializers[adapted.learned[0].name]!.tensor!

    let rows = ids.converted(to: .int64)
    // CLIP's end token has the highest id.
    let end = rows.array(of: Int64.self).max()!
    var moved: [Int64] = []
    for row in 0..<ids.shape[0] {
      let own = rows.rows(row..<row + 1).array(of: Int64.self)
      var shifted = Array(
        ([own[0]] + Array(repeating: own[0], count: count) + own.dropFirst()).prefix(positions))
      if !shifted.contains(end) { shifted[positions - 1] = end }
      moved += shifted
    }
    var lookedUp = 0
    let lookup = export.graph.nodes.first { $0.op == "Gather" && $0.inputs[0] == embedding.table }!
    let given = ["input_ids": Tensor(moved, shape: ids.shape).converted(to: ids.dtype)]
    let expected = try NaiveEvaluator.values(export.graph, given) { name, tensor in
      guard name == lookup.outputs[0] else { return tensor }
      lookedUp += 1
      let filled = tensor.copy()
      for row in 0..<ids.shape[0] {
        filled.pointer(as: Float.self).advanced(by: (row * positions + 1) * embedding.width)
          .update(from: vectors.pointer(as: Float.self), count: vectors.count)
      }
      return filled
    }
    let actual = try NaiveEvaluator.values(adapted.graph.validated(.standard), export.inputs)
    #expect(lookedUp == 1)
    for output in export.graph.outputs {
      #expect(Comparison.relativeToPeak(actual[output.name]!, expected[output.name]!) < 1e-6)
    }
  }

  @Test(arguments: ForeignGraphTests.unets) func attention(_ name: String) throws {
    let export = try Export(name)
    let graph = try export.recognised()
    let output = graph.outputs[0].name
    func run(_ graph: Graph) throws -> Tensor {
      try NaiveEvaluator.values(graph.validated(.standard), export.inputs)[output]!
    }
    let plain = try run(graph)
    let lora = LoRA(rank: 2, of: [.cross, .selfAttention])
    let zero = try lora.attached(to: graph, seed: 1)
    // Four blocks with two layers of four projections, two factors each.
    #expect(zero.learned.count == 4 * 2 * 4 * 2)
    #expect(try run(zero.graph).isIdentical(to: plain))
    for learned in zero.learned where learned.start == .zeros {
      var changed = zero.graph
      var values = Seeded(4)
      changed.initializers[learned.name] = Initializer(values.tensor(learned.shape))
      #expect(try !run(changed).isIdentical(to: plain), "\(learned.key)")
    }
    let tokens = try KeyValueTokens(count: 2).attached(to: graph, .standard, values: random(3))
    #expect(tokens.learned.count == 4 * 2)
    #expect(try Comparison.relativeToPeak(run(tokens.graph), plain) > 1e-4)
  }

  @Test func attentionThatNobodyHasRecognised() throws {
    let graph = try Export("unet-sd15-legacy-14").graph
    let error = #expect(throws: DataError.self) { try LoRA(rank: 1).attached(to: graph, seed: 0) }
    #expect(error?.message.contains("has to be recognised first") == true)
  }
}
