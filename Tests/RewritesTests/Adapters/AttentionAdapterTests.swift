import GraphIR
import Operators
import Rewrites
import TestSupport
import Testing

/// LoRA and key and value tokens on one cross- and one self-attention layer.
@Suite struct AttentionAdapterTests {
  private static let block = "down_blocks.0.attentions.0.transformer_blocks.0"
  private static let cross = "unet.\(block).attn2"

  /// Image states `[batch, 5, 4]` and text states `[batch, 3, 6]` through both layers.
  private func unet() -> Graph {
    let g = GraphBuilder()
    var random = Seeded(3)
    let image = g.input("image", .float32, ["batch", 5, 4])
    let text = g.input("text", .float32, ["batch", "length", 6])
    func linear(_ name: String, _ x: Value, _ input: Int, bias: Bool = false) -> Value {
      let weight = g.weight("unet/\(name).weight", Initializer(random.tensor([4, input])))
      let product = g.MatMul(x, g.Transpose(weight, attributes: ["perm": .ints([1, 0])]))
      return bias ? g.Add(product, g.weight("unet/\(name).bias", Initializer(random.tensor([4])))) : product
    }
    func attention(_ name: String, _ x: Value, _ source: Value, _ width: Int, _ role: String) -> Value {
      let path = "\(AttentionAdapterTests.block).\(name)"
      let y = g.emit(
        "Attention",
        [
          linear("\(path).to_q", x, 4), linear("\(path).to_k", source, width),
          linear("\(path).to_v", source, width),
        ], ["q_num_heads": .int(2), "kv_num_heads": .int(2), "scale": .float(0.7)],
        metadata: ["dsd.layer": path, "dsd.role": role])[0]
      return linear("\(path).to_out.0", y, 4, bias: true)
    }
    let states = attention("attn1", image, image, 4, "self")
    g.output(
      attention("attn2", states, text, 6, "cross"), as: "y", TensorType(.float32, ["batch", 5, 4]))
    return g.graph
  }

  private func inputs() -> [String: Tensor] {
    var random = Seeded(4)
    return ["image": random.tensor([2, 5, 4]), "text": random.tensor([2, 3, 6])]
  }

  private func random(_ seed: UInt64) -> (LearnedTensor) -> Tensor {
    var random = Seeded(seed)
    return { random.tensor($0.shape) }
  }

  /// The graph with scale · B A added to the weights.
  private func merged(_ graph: Graph, _ adapted: AdaptedGraph, scale: Float) -> Graph {
    var result = graph
    for (a, b) in zip(adapted.learned, adapted.learned.dropFirst()) where a.key.hasSuffix(".lora_A.weight") {
      let module = a.key.dropFirst("unet.".count).dropLast(".lora_A.weight".count)
      let name = "unet/\(module).weight"
      let weight = result.initializers[name]!.tensor!.copy()
      let w = weight.pointer(as: Float.self)
      let (low, high) = (
        adapted.graph.initializers[a.name]!.tensor!, adapted.graph.initializers[b.name]!.tensor!
      )
      for row in 0..<weight.shape[0] {
        for column in 0..<weight.shape[1] {
          for r in 0..<a.shape[0] {
            let up = high.pointer(as: Float.self)[row * a.shape[0] + r]
            w[row * weight.shape[1] + column] +=
              scale * up * low.pointer(as: Float.self)[r * a.shape[1] + column]
          }
        }
      }
      result.initializers[name] = Initializer(weight)
    }
    return result
  }

  private func output(_ graph: Graph, _ inputs: [String: Tensor]) throws -> Tensor {
    try NaiveEvaluator.values(try graph.validated(.standard), inputs)["y"]!
  }

  @Test func loraIsASumOfWeights() throws {
    let graph = unet()
    let both: Set<AttentionLayer.Role> = [.cross, .selfAttention]
    for (adapter, count) in [
      (LoRA(rank: 2), 4), (LoRA(rank: 1, alpha: 3, projections: [.q, .v], of: both), 4),
      (LoRA(rank: 3, alpha: 1.5, projections: [.out], of: [.selfAttention]), 1),
    ] {
      let adapted = try adapter.attached(to: graph, .standard, values: random(7))
      #expect(adapted.learned.count == 2 * count)
      let scale: Float = count == 1 ? 0.5 : adapted.learned[0].shape[0] == 1 ? 3 : 1
      let actual = try output(adapted.graph, inputs())
      let expected = try output(merged(graph, adapted, scale: scale), inputs())
      #expect(Comparison.relativeToPeak(actual, expected) < 2e-6)
      #expect(Comparison.relativeToPeak(actual, try output(graph, inputs())) > 0.01)
    }
  }

  @Test func loraStartsAsTheGraphItself() throws {
    let adapted = try LoRA(rank: 2).attached(to: unet(), .standard) { tensor in
      tensor.start == .zeros ? .zeros(.float32, tensor.shape) : self.random(8)(tensor)
    }
    #expect(try output(adapted.graph, inputs()).isIdentical(to: output(unet(), inputs())))
    #expect(adapted.learned[0].key == "\(AttentionAdapterTests.cross).to_q.lora_A.weight")
    #expect(adapted.learned[0].start == .uniform(bound: 0.5))
    #expect(adapted.learned[1].shape == [4, 2])
  }

  @Test func lorasAddUp() throws {
    let first = try LoRA(rank: 2).attached(to: unet(), .standard, values: random(9))
    let modules = ["to_k", "to_out.0"].map { "\(AttentionAdapterTests.cross).\($0)" }
    let second = try LoRA(layers: modules.map { LoRA.Layer(module: $0, rank: 1, scale: 2) })
      .attached(to: first.graph, .standard, values: random(10))
    #expect(second.learned.allSatisfy { $0.name.hasPrefix("adapter_2/unet/") })
    let expected = merged(merged(unet(), first, scale: 1), second, scale: 2)
    #expect(
      Comparison.relativeToPeak(try output(second.graph, inputs()), try output(expected, inputs())) < 2e-6)
  }

  @Test func convolutionsOfOnePixelAreLinear() throws {
    let g = GraphBuilder()
    var random = Seeded(12)
    let x = g.input("image", .float32, ["batch", 3, 2, 2])
    let weight = g.weight("unet/proj_in.weight", Initializer(random.tensor([4, 3, 1, 1])))
    g.output(
      g.Conv(x, weight, g.weight("unet/proj_in.bias", Initializer(random.tensor([4])))), as: "y",
      TensorType(.float32, ["batch", 4, 2, 2]))
    let graph = g.graph
    let layer = LoRA.Layer(module: "unet.proj_in", rank: 2, scale: 0.5)
    let adapted = try LoRA(layers: [layer]).attached(to: graph, .standard, values: self.random(13))
    #expect(adapted.learned.map(\.shape) == [[2, 3, 1, 1], [4, 2, 1, 1]])
    let input = ["image": random.tensor([2, 3, 2, 2])]
    let expected = try output(merged(graph, adapted, scale: 0.5), input)
    #expect(Comparison.relativeToPeak(try output(adapted.graph, input), expected) < 2e-6)
  }

  @Test func layersThatAreNotThereAreNamed() throws {
    let layer = LoRA.Layer(module: "unet.mid_block.to_q", rank: 1, scale: 1)
    let error = #expect(throws: DataError.self) {
      try LoRA(layers: [layer]).attached(to: unet(), .standard, values: random(1))
    }
    #expect(error?.message == "lora: the graph has no linear layer 'unet.mid_block.to_q'")
    #expect(throws: DataError.self) {
      try LoRA(rank: 1).attached(to: Graph(), .standard, values: random(1))
    }
    #expect(throws: DataError.self) {
      try KeyValueTokens(count: 1, layers: ["mid_block"]).attached(to: unet(), .standard, values: random(1))
    }
  }

  @Test func keyValueTokensStandBehindTheText() throws {
    let graph = unet()
    let adapted = try KeyValueTokens(count: 2).attached(to: graph, .standard, values: random(11))
    #expect(
      adapted.learned.map(\.key) == ["key", "value"].map { "\(AttentionAdapterTests.cross).\($0)_tokens" })
    let node = graph.nodes.last { $0.op == "Attention" }!
    let plain = try NaiveEvaluator.values(graph, inputs())
    var given = inputs()
    for (input, learned) in zip(node.inputs[1...2], adapted.learned) {
      let tokens = adapted.graph.initializers[learned.name]!.tensor!.array(of: Float.self)
      let own = plain[input]!
      given[input] = Tensor(
        (0..<2).flatMap { own.rows($0..<$0 + 1).array(of: Float.self) + tokens }, shape: [2, 5, 4])
    }
    let expected = try NaiveEvaluator.values(graph, given)["y"]!
    #expect(Comparison.relativeToPeak(try output(adapted.graph, inputs()), expected) < 2e-6)
  }
}
