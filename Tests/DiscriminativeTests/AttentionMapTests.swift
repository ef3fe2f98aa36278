import Discriminative
import Foundation
import TestSupport
import Testing

/// Word maps beside torch, and what they must obey.
@Suite struct AttentionMapTests {
  private func run(
    _ reference: Reference, _ hooks: [any Hook], _ change: (inout MatchingOptions) -> Void = { _ in }
  ) throws {
    var options = MatchingOptions()
    options.timesteps = reference.facts.timesteps
    options.noise = try reference.noise
    options.terms = nil
    change(&options)
    _ = try MatchingJob(
      reference.graph, tokenizerFolder: reference.checkpoint, imageNames: reference.imagePaths,
      texts: reference.texts, options: options, hooks: hooks, pool: ThreadPool(threads: 2),
      pixels: reference.pixels
    ).run()
  }

  @Test(arguments: Reference.kinds) func likeTorch(_ kind: String) throws {
    let reference = try Reference(kind)
    let torch = try AttentionReference(kind)
    let map = AttentionMap()
    let relative = AttentionMap(relative: .emptyCaption)
    try run(reference, [map, relative]) { $0.includesEmptyCaption = true }
    #expect(Set(map.layers.map(\.name)) == Set(torch.facts.layers))
    for image in 0..<2 {
      for text in reference.texts.indices {
        let own = try map.maps(image: image, text: text)
        #expect(own.words.map(\.text) == torch.facts.words[text])
        #expect(
          own.words.map { [$0.positions.lowerBound, $0.positions.upperBound] } == torch.facts.positions[text])
        #expect(own.timesteps == reference.facts.timesteps)
        let expected = try torch.tensors.tensor("map.\(image).\(text)")
        try #require(own.tensor.shape == expected.shape)
        #expect(Comparison.largestDifference(own.tensor, expected) <= 1e-5)
        #expect(Comparison.relativeToPeak(own.tensor, expected) <= 1e-5)
        let less = try relative.maps(image: image, text: text).tensor
        #expect(
          Comparison.largestDifference(less, try torch.tensors.tensor("relative.\(image).\(text)")) <= 1e-5)
      }
    }
  }

  /// A latent that is wider than high: the layers' grids are found from its extents.
  @Test(arguments: ["sd15", "sd21base"]) func wideLatent(_ kind: String) throws {
    let reference = try Reference(kind)
    let torch = try AttentionReference(kind)
    let latent = try torch.tensors.tensor("wide")
    let tokenizer = try CLIPTokenizer(folder: "\(reference.checkpoint)/tokenizer")
    let caption = CaptionTokens(reference.texts[0], [(tokenizer, 77)])
    let map = AttentionMap()
    try map.willMatch(
      MatchingGrid(
        images: ["wide"], captions: [caption], timesteps: [reference.facts.timesteps[0]],
        latentHeight: latent.shape[2], latentWidth: latent.shape[3]))
    let states = try reference.tensors.tensor("text_embeddings").rows(1..<2)
    let inputs = [
      "noisy_latent": latent, "encoder_hidden_states": states,
      "timestep": Tensor([Int64(reference.facts.timesteps[0])], shape: [1]),
    ]
    let preparation = try Preparation(
      reference.graph, .standard, inputs: inputs.mapValues { TensorType($0.dtype, $0.shape) }, outputs: [],
      hooks: [map], rewrites: [RuleSet.recognition, RuleSet.fusion], pool: ThreadPool(threads: 2))
    _ = try Plan(preparation).run(inputs)
    let expected = try torch.tensors.tensor("map.wide")
    let own = try map.maps(image: 0, text: 0).tensor
    try #require(own.shape == expected.shape)
    #expect(Comparison.largestDifference(own, expected) <= 1e-5)
  }

  /// Over content positions a query's words share all of its probability.
  @Test func sharesOfTheWords() throws {
    let reference = try Reference("sdxl")
    let shared = AttentionMap(positions: .content)
    let whole = AttentionMap()
    let centred = AttentionMap(relative: .words)
    try run(reference, [shared, whole, centred])
    func sums(_ map: AttentionMap) throws -> [Float] {
      let tensor = try map.maps(image: 1, text: 2).tensor
      let area = tensor.shape[1] * tensor.shape[2]
      let values = tensor.array(of: Float.self)
      return (0..<area).map { i in stride(from: i, to: values.count, by: area).reduce(0) { $0 + values[$1] } }
    }
    #expect(try sums(shared).allSatisfy { abs($0 - 1) <= 1e-5 })
    #expect(try sums(whole).allSatisfy { $0 < 0.99 })
    #expect(try sums(centred).allSatisfy { abs($0) <= 1e-5 })
  }

  /// Beside scores of every kind, without memory for held values, and with an image of pure noise, the maps are
  /// the same.
  @Test func besideScores() throws {
    let reference = try Reference("sd15")
    let alone = AttentionMap()
    try run(reference, [alone])
    let together = AttentionMap()
    let scores = try AttentionReference("sd15").hooks()
    try run(reference, scores + [together]) {
      $0.terms = .both
      $0.normalize = .noise
      $0.memoryBudget = 0
    }
    for image in 0..<2 {
      for text in reference.texts.indices {
        let (a, b) = (try alone.maps(image: image, text: text), try together.maps(image: image, text: text))
        #expect(a.tensor.isIdentical(to: b.tensor))
      }
    }
  }

  /// Each job of a setup has the maps of its own image and caption.
  @Test func jobsOfOneSetup() throws {
    let reference = try Reference("sd15")
    var options = MatchingOptions()
    options.timesteps = [100, 700]
    let tokenizers = try PipelineTokenizers(
      reference.description, of: reference.graph, folder: reference.checkpoint)
    func setup(_ map: AttentionMap) throws -> MatchingSetup {
      try MatchingSetup(reference.graph, tokenizers, options, hooks: [map], pool: ThreadPool(threads: 1))
    }
    func maps(_ map: AttentionMap, _ setup: MatchingSetup, image: Int, _ text: String) throws -> WordMaps {
      let job = try MatchingJob(setup, imageNames: ["one"], texts: [text]) { _ in try reference.pixels(image)
      }
      _ = try job.run()
      return try map.maps(image: 0, text: 0)
    }
    let shared = AttentionMap()
    let sharedSetup = try setup(shared)
    for (image, text) in [(0, "a dog"), (1, "a cat on a red sofa"), (0, "a cat on a red sofa")] {
      let own = AttentionMap()
      let expected = try maps(own, setup(own), image: image, text)
      let found = try maps(shared, sharedSetup, image: image, text)
      #expect(found.words == expected.words && found.tensor.isIdentical(to: expected.tensor))
    }
    shared.forget()
    #expect(throws: DataError.self) { try shared.maps(image: 0, text: 0) }
  }

  @Test func selectedLayers() throws {
    let reference = try Reference("sd15")
    let middle = AttentionMap(selection: LayerSelection("mid_block.*"))
    try run(reference, [middle])
    #expect(middle.layers.count == 1)
    #expect(try middle.maps(image: 0, text: 0).layers.allSatisfy { $0.hasPrefix("mid_block") })
    #expect(throws: DataError.self) {
      try run(reference, [AttentionMap(selection: LayerSelection("none.*"))])
    }
  }

  /// A graph without tags, its attention written out in primitives.
  @Test func foreignGraph() throws {
    let name = "unet-sd15-legacy-14"
    let graph = try GraphReader.read(path: Fixtures.path("exports/\(name).onnx")).validated(.standard)
    let tensors = try SafetensorsFile(path: Fixtures.path("exports/\(name).safetensors"))
    var inputs: [String: Tensor] = [:]
    for input in graph.requiredInputs { inputs[input.name] = try tensors.tensor("a.in.\(input.name)") }
    let reference = try Reference("sd15")
    let tokenizer = try CLIPTokenizer(folder: "\(reference.checkpoint)/tokenizer")
    let caption = CaptionTokens("a dog", [(tokenizer, 77)])
    let latent = inputs["sample"]!.shape
    let map = AttentionMap()
    try map.willMatch(
      MatchingGrid(
        images: ["a"], captions: [caption], timesteps: [0], latentHeight: latent[2], latentWidth: latent[3]))
    let preparation = try Preparation(
      graph, .standard, inputs: inputs.mapValues { TensorType($0.dtype, $0.shape) }, outputs: [],
      hooks: [map], rewrites: [RuleSet.recognition, RuleSet.fusion], pool: ThreadPool(threads: 2))
    _ = try Plan(preparation).run(inputs)
    let maps = try map.maps(image: 0, text: 0)
    #expect(maps.layers.count == 4 && maps.words.map(\.text) == ["a", "dog"])
    #expect(maps.tensor.array(of: Float.self).allSatisfy { $0 > 0 && $0 < 1 })
  }

  @Test func refusals() throws {
    let reference = try Reference("sd15")
    #expect(throws: DataError.self) { try run(reference, [AttentionMap(relative: .emptyCaption)]) }
    let map = AttentionMap()
    #expect(throws: DataError.self) { _ = try map.maps(image: 0, text: 0) }
    let tokenizer = try CLIPTokenizer(folder: "\(reference.checkpoint)/tokenizer")
    func grid(_ caption: String, images: Int = 1, edge: Int = 8) -> MatchingGrid {
      MatchingGrid(
        images: Array(repeating: "a", count: images), captions: [CaptionTokens(caption, [(tokenizer, 77)])],
        timesteps: [1], latentHeight: edge, latentWidth: edge)
    }
    #expect(throws: DataError.self) { try map.willMatch(grid("  ")) }
    #expect(throws: DataError.self) { try map.willMatch(grid("a dog", images: 1 << 20, edge: 64)) }
    #expect(throws: DataError.self) { try map.willMatch(grid("a dog", edge: 1 << 40)) }
    #expect(try grid("a").queryGrid(16, "n") == (4, 4))
    #expect(try grid("a", edge: 9).queryGrid(25, "n") == (5, 5))
    #expect(throws: DataError.self) { _ = try grid("a").queryGrid(15, "n") }
  }
}
