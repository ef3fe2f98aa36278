import Discriminative
import TestSupport
import Testing

/// Poolings, positions and normalizations of the attention term beside torch.
@Suite struct AttentionVariantTests {
  private func job(_ reference: Reference, hooks: [any Hook]) throws -> MatchingJob {
    var options = MatchingOptions()
    options.timesteps = reference.facts.timesteps
    options.noise = try reference.noise
    options.baselines = Set(Normalization.allCases)
    return try MatchingJob(
      reference.graph, tokenizerFolder: reference.checkpoint, imageNames: reference.imagePaths,
      texts: reference.texts, options: options, hooks: hooks, pool: ThreadPool(threads: 2),
      pixels: reference.pixels)
  }

  /// Every pooling over both kinds of positions, all layers apart, in one run.
  @Test(arguments: Reference.kinds) func layers(_ kind: String) throws {
    let reference = try Reference(kind)
    let torch = try AttentionReference(kind)
    let hooks = torch.hooks()
    let job = try job(reference, hooks: hooks)
    _ = try job.run()
    let own = try torch.tensors.tensor("own")
    let empty = try torch.tensors.tensor("empty")
    try #require(own.shape[1] == 3 && job.grid.pureNoise == 2)
    for (variant, hook) in hooks.enumerated() {
      let order = torch.facts.layers.map { name in hook.layers.firstIndex { $0.name == name }! }
      var ours: [Float] = []
      var ourEmpty: [Float] = []
      for image in 0..<3 {
        for text in reference.texts.indices {
          for step in reference.facts.timesteps.indices {
            func position(_ text: Int) -> SweepPosition {
              SweepPosition([.image: image, .text: text, .timestep: step])
            }
            let scores = try hook.layerScores(at: position(text))
            ours += order.map { Float(scores[$0][0]) }
            // The empty caption is not run without an image.
            guard image < 2 else { continue }
            let base = try hook.layerScores(at: position(reference.texts.count), positionsOf: text)
            ourEmpty += order.map { Float(base[$0][0]) }
          }
        }
      }
      let expected = own.rows(variant..<variant + 1)
      #expect(
        Comparison.relativeToPeak(Tensor(ours, shape: expected.shape), expected) <= 2e-5,
        "\(torch.facts.variants[variant])")
      let base = empty.rows(variant..<variant + 1)
      let first = base.reshaped(Array(base.shape.dropFirst())).rows(0..<2)
      #expect(
        Comparison.relativeToPeak(Tensor(ourEmpty, shape: first.shape), first) <= 2e-5,
        "empty, \(torch.facts.variants[variant])")
    }
  }

  /// The attention term of the official layers in every normalization.
  @Test(arguments: Reference.kinds) func normalizations(_ kind: String) throws {
    let reference = try Reference(kind)
    let torch = try AttentionReference(kind)
    let hooks = torch.hooks(.official)
    let job = try job(reference, hooks: hooks)
    let plain = try job.run()
    #expect(plain.attention == (try reference.job().run()).attention)
    let expected = try torch.tensors.tensor("normalized")
    var ours: [Float] = []
    for hook in hooks {
      for name in torch.facts.normalizations {
        let kind = try #require(Normalization(rawValue: name))
        ours += try job.attention(of: hook, normalize: kind).joined().joined().map { Float($0) }
      }
    }
    try #require(ours.count == expected.count)
    #expect(Comparison.largestDifference(Tensor(ours, shape: expected.shape), expected) <= 2e-5)
  }

  /// The job's own term with its options, in the result.
  @Test func optionsOfTheJob() throws {
    let reference = try Reference("sd21base")
    let torch = try AttentionReference("sd21base")
    let expected = try torch.tensors.tensor("normalized").array(of: Float.self)
    let perTerm = reference.imagePaths.count * reference.texts.count * reference.facts.timesteps.count
    for (v, variant) in torch.facts.variants.enumerated() {
      let n = v % torch.facts.normalizations.count
      let result = try reference.job {
        $0.pooling = Pooling(rawValue: variant[0])!
        $0.positions = TextPositions(rawValue: variant[1])!
        $0.normalize = Normalization(rawValue: torch.facts.normalizations[n])!
        $0.terms = .attention
      }.run()
      #expect([result.pooling, result.positions] == variant)
      #expect(result.normalize == torch.facts.normalizations[n])
      let own = result.perTimestep.attention!.joined().joined()
      let start = (v * torch.facts.normalizations.count + n) * perTerm
      for (a, b) in zip(own, expected[start..<start + perTerm]) { #expect(abs(a - Double(b)) <= 2e-5) }
      #expect(result.scores == result.attention)
    }
  }

  /// With official-compat the term that is normalized is the averaged one.
  @Test func officialCompatibility() throws {
    let reference = try Reference("sd15")
    func term(_ normalize: Normalization, _ compat: Bool) throws -> [[[Double]]] {
      try reference.job {
        $0.positions = .content
        $0.normalize = normalize
        $0.officialCompat = compat
        $0.terms = .attention
      }.run().perTimestep.attention!
    }
    // ½(own + empty) − empty = ½(own − empty)
    let half = try term(.emptyCaption, true).joined().joined()
    let whole = try term(.emptyCaption, false).joined().joined()
    for (a, b) in zip(half, whole) { #expect(abs(a - b / 2) <= 1e-9) }
    let noise = try term(.noise, true).joined().joined()
    #expect(noise.contains { abs($0) > 1e-6 } && noise.allSatisfy(\.isFinite))
  }

  /// A pure-noise image leaves the scores of the others alone.
  @Test func biasStays() throws {
    let reference = try Reference("sdxl")
    let plain = try reference.job().run()
    let normalized = try reference.job { $0.normalize = .noise }.run()
    #expect(normalized.bias == plain.bias)
    #expect(normalized.attention != plain.attention)
  }

  @Test func refusals() throws {
    let reference = try Reference("sd15")
    func refused(_ images: Int = 2, _ change: (inout MatchingOptions) -> Void) -> String {
      var options = MatchingOptions()
      change(&options)
      do {
        try options.check(images: images)
        return ""
      } catch { return "\(error)" }
    }
    #expect(refused(1) { $0.normalize = .images }.contains("--normalize images"))
    #expect(refused(2) { $0.normalize = .images }.isEmpty)
    #expect(refused { $0.pooling = .mass }.contains("--positions content"))
    #expect(
      refused {
        $0.normalize = .noise
        $0.terms = .bias
      }.contains("--score bias"))

    // A caption without tokens has no content positions.
    var options = MatchingOptions()
    options.positions = .content
    #expect(throws: DataError.self) {
      _ = try MatchingJob(
        reference.graph, tokenizerFolder: reference.checkpoint, imageNames: ["a"], texts: ["a dog", "  "],
        options: options, pool: ThreadPool(threads: 1), pixels: reference.pixels)
    }
    // A baseline that was not run.
    let job = try reference.job()
    _ = try job.run()
    #expect(throws: DataError.self) { _ = try job.attention(of: job.score, normalize: .noise) }
    // Content positions without captions.
    let unet: [String: TensorType] = [
      "noisy_latent": TensorType(.float32, [1, 4, 8, 8]), "timestep": TensorType(.int64, [1]),
      "encoder_hidden_states": TensorType(.float32, [1, 77, 32]),
    ]
    #expect(throws: DataError.self) {
      _ = try Preparation(
        reference.graph, .standard, inputs: unet, outputs: [], hooks: [AttentionScore(positions: .content)],
        pool: ThreadPool(threads: 1))
    }
  }
}
