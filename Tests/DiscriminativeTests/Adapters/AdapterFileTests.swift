import Discriminative
import TestSupport
import Testing

/// Files of adapters on the small checkpoints. That they mean what diffusers and peft mean by them is
/// `Tools/reference/check_adapters.py`.
@Suite struct AdapterFileTests {
  private static let block = "down_blocks.0.attentions.0.transformer_blocks.0"

  /// An adapter with random values, LoRA's B included.
  private func random(_ adapter: some Adapter, _ graph: Graph, seed: UInt64 = 1) throws -> AdaptedGraph {
    let initial = InitialValues(seed: seed)
    return try adapter.attached(to: graph, .standard) {
      try initial($0.starting(.normal(deviation: 0.3)))
    }
  }

  @Test(
    arguments: [
      "prompt-tokens:3", "prompt-tokens:2,classes=dog+red cat", "kv-tokens:2", "lora:2",
      "lora:3,alpha=1.5,targets=q+out,layers=both",
    ], ["sd15", "sdxl"]) func roundTrip(_ spec: String, _ kind: String) throws
  {
    let reference = try Reference(kind)
    let adapted = try random(AdapterSpec(spec).adapter, reference.graph)
    let path = try Fixtures.scratch() + "/adapter.safetensors"
    try AdapterFile.write(adapted, weights: "digest", to: path)
    let file = try AdapterFile(path: path)
    #expect(file.trainedOn == "digest")
    let again = try file.attached(to: reference.graph)
    #expect(again.learned.map(\.name) == adapted.learned.map(\.name))
    #expect(again.graph == adapted.graph)
    #expect(WeightDigest.hex(of: again.graph) != WeightDigest.hex(of: reference.graph))

    // The adapted graph is a graph like any other.
    let bytes = try GraphWriter.bytes(again.graph.validated(.standard))
    let read = try GraphReader.read(bytes, folder: reference.checkpoint).validated(.standard)
    #expect(read.nodes == (try again.graph.validated(.standard)).nodes)
    for learned in again.learned {
      let tensor = read.initializers[learned.name]!.tensor!
      #expect(tensor.isIdentical(to: adapted.graph.initializers[learned.name]!.tensor!))
    }
  }

  /// LoRA's layers and factors as others write them.
  private func stored(
    _ tensors: [(String, Tensor)], _ metadata: [String: String] = [:], as name: String = "lora.safetensors"
  ) throws -> String {
    let path = try Fixtures.scratch() + "/" + name
    try SafetensorsWriter.write(tensors, metadata: metadata, to: path)
    return path
  }

  private func factors(_ module: String, rank: Int) -> (a: Tensor, b: Tensor) {
    var random = Seeded(6)
    return (random.tensor([rank, 32]), random.tensor([32, rank]))
  }

  /// The layers that a file adapts.
  private func layers(_ path: String, _ graph: Graph) throws -> [LoRA.Layer] {
    try #require(AdapterFile(path: path).attached(to: graph).adapter as? LoRA).layers
  }

  @Test func namesOfOthers() throws {
    let graph = try Reference("sd15").graph
    let own = try random(LoRA(rank: 2, projections: [.q, .out]), graph)
    let pairs = zip(own.learned, own.learned.dropFirst()).filter { $0.0.key.hasSuffix("lora_A.weight") }
    let modules = pairs.map { String($0.0.key.dropLast(".lora_A.weight".count)) }
    func tensor(_ learned: LearnedTensor) -> Tensor { own.graph.initializers[learned.name]!.tensor! }
    func renamed(_ name: (String, Bool) -> String, alpha: ((String) -> String)? = nil) -> [(String, Tensor)] {
      zip(modules, pairs).flatMap { module, pair in
        [(name(module, true), tensor(pair.0)), (name(module, false), tensor(pair.1))]
          + (alpha.map { [($0(module), Tensor(scalar: Int64(3)))] } ?? [])
      }
    }
    func part(_ isDown: Bool, _ down: String, _ up: String) -> String { isDown ? down : up }
    func kohya(_ module: String) -> String { "lora_" + module.replacing(".", with: "_") }
    func bare(_ module: String) -> String { String(module.dropFirst("unet.".count)) }
    let plain = try stored(renamed { "\($0).\(part($1, "lora_A", "lora_B")).weight" })
    let halves = try stored(
      renamed { "\($0).\(part($1, "lora_A", "lora_B")).weight" },
      [
        "lora_adapter_metadata":
          #"{"unet.lora_alpha": 1, "unet.alpha_pattern": {"^\#(bare(modules[1]))": 4}, "unet.r": 2}"#
      ])
    let old = try stored(
      renamed {
        let module = $0.replacing("to_out.0", with: "to_out").replacing(".to_", with: ".processor.to_")
        return "\(module)_lora.\(part($1, "down", "up")).weight"
      })
    let scripts = try stored(
      renamed({ "\(kohya($0)).\(part($1, "lora_down", "lora_up")).weight" }, alpha: { "\(kohya($0)).alpha" }))
    let peft = try stored(
      renamed { "base_model.model.\(bare($0)).\(part($1, "lora_A", "lora_B")).weight" },
      as: "adapter_model.safetensors")
    try AtomicFile.write(
      Array(#"{"lora_alpha": 6, "r": 2, "use_rslora": true, "peft_type": "LORA"}"#.utf8),
      to: FolderBoundary.folder(of: peft) + "/adapter_config.json")

    let scales: [(String, (Int) -> Float)] = [
      (plain, { _ in 1 }), (halves, { $0 == 1 ? 2 : 0.5 }), (old, { _ in 1 }), (scripts, { _ in 1.5 }),
      (peft, { _ in Float(6 / 2.0.squareRoot()) }),
    ]
    for (path, scale) in scales {
      let expected = modules.enumerated().map {
        LoRA.Layer(module: $0.element, rank: 2, scale: scale($0.offset))
      }
      let actual = try layers(path, graph)
      #expect(actual == expected, "\(path)")
    }
    let same = try AdapterFile(path: plain).attached(to: graph).graph
    #expect(same == own.graph)
  }

  @Test func wrongFilesAreNamed() throws {
    let graph = try Reference("sd15").graph
    let module = "unet.\(AdapterFileTests.block).attn2.to_q"
    let (a, b) = factors(module, rank: 2)
    func message(_ tensors: [(String, Tensor)], _ metadata: [String: String] = [:]) throws -> String {
      let path = try stored(tensors, metadata)
      let error = #expect(throws: DataError.self) { try AdapterFile(path: path).attached(to: graph) }
      let text = error?.message ?? ""
      #expect(text.hasPrefix("\(path): "))
      return String(text.dropFirst(path.count + 2))
    }
    let own = ["dsd.adapter": "prompt-tokens", "dsd.adapter_version": "1"]
    let key = "text_encoder.prompt_tokens"
    #expect(try message([]) == "the file has no tensors")
    #expect(try message([("weight", a)]) == "the tensor 'weight' is not one that LoRA has")
    #expect(
      try message([("unet.mid.to_q.lora_A.weight", a), ("unet.mid.to_q.lora_B.weight", b)])
        == "lora: the graph has no linear layer 'unet.mid.to_q'")
    #expect(try message([("\(module).lora_A.weight", a)]) == "'\(module)' has no pair of matrices")
    #expect(try message([(key, b)], own) == "'\(key)' is float32[32, 2], the graph wants float32[32, 32]")
    #expect(try message([("other", a)], own) == "has no tensor '\(key)'")
    #expect(
      try message([(key, a)], ["dsd.adapter": "prompt-tokens", "dsd.adapter_version": "7"])
        == "the version of the adapter, 7, is not known")
    #expect(
      try message([(key, a)], ["dsd.adapter": "x", "dsd.adapter_version": "1"])
        == "adapters of kind 'x' are not known")
    #expect(try message([(key, a)], own.merging(["dsd.end_tokens": "[]"]) { $1 }).contains("dsd.end_tokens"))
    #expect(try message([(key, a)], own.merging(["dsd.classes": "{}"]) { $1 }).contains("dsd.classes"))
    #expect(try message([(key, Tensor(scalar: Float(1)))], own).contains("axes"))
  }
}
