import Discriminative
import Foundation
import TestSupport
import Testing

/// What knows where a caption's tokens are, in graphs with prompt tokens.
@Suite struct PromptPositionTests {
  private func adapted(_ reference: Reference, _ spec: String) throws -> Graph {
    let initial = InitialValues(seed: 3)
    return try AdapterSpec(spec).adapter.attached(to: reference.graph, .standard) {
      try initial($0.starting(.normal(deviation: 0.5)))
    }.graph
  }

  private func job(
    _ reference: Reference, _ graph: Graph, texts: [String], _ change: (inout MatchingOptions) -> Void
  ) throws -> MatchingJob {
    var options = MatchingOptions()
    options.timesteps = [500]
    change(&options)
    return try MatchingJob(
      graph, tokenizerFolder: reference.checkpoint, imageNames: ["a"], texts: texts, options: options,
      pool: ThreadPool(threads: 2), pixels: reference.pixels)
  }

  @Test func contentMovesWithTheCaption() throws {
    let reference = try Reference("sd15")
    let tokenizer = try CLIPTokenizer(folder: "\(reference.checkpoint)/tokenizer")
    let text = "a dog " + String(repeating: "and a dog ", count: 40)
    let short = CaptionTokens("a dog", [(tokenizer, 77)], shift: 5)
    let plain = CaptionTokens("a dog", [(tokenizer, 77)])
    #expect(short.content.lowerBound == 6 && short.content.count == plain.content.count)
    #expect(short.words.map(\.positions.lowerBound) == plain.words.map { $0.positions.lowerBound + 5 })
    // The last position is the end token's.
    #expect(CaptionTokens(text, [(tokenizer, 77)], shift: 5).content == 6..<76)

    // Attention to the caption's own tokens is a part of all attention.
    let graph = try adapted(reference, "prompt-tokens:5")
    let job = try job(reference, graph, texts: ["a dog"]) {
      $0.terms = .attention
      $0.positions = .content
      $0.pooling = .mass
    }
    #expect(job.grid.captions[0].content == short.content)
    let mass = try #require(job.run().attention)[0][0]
    #expect(mass > 0 && mass < 1)
  }

  @Test func generationTakesAdaptedGraphs() throws {
    let reference = try Reference("sd15")
    for spec in ["prompt-tokens:4", "prompt-tokens:4,classes=dog", "kv-tokens:2"] {
      var options = GenerationOptions()
      options.steps = 1
      let job = try GenerationJob(
        try adapted(reference, spec), tokenizerFolder: reference.checkpoint, options: options,
        pool: ThreadPool(threads: 2))
      #expect(try job.image(of: "a dog", noise: job.noise(seed: 1)).isFinite)
    }
  }

  /// Two classes whose vectors are the same give the scores of shared ones; others do not.
  @Test func classesFollowTheCaption() throws {
    let reference = try Reference("sdxl")
    let shared = try adapted(reference, "prompt-tokens:2")
    let names = ["", "dog", "red dog"]
    let texts = ["a big DOG", "the red dog", "a lake"]
    func scores(_ graph: Graph) throws -> MatchingResult {
      try job(reference, graph, texts: texts) { $0.terms = .both }.run()
    }
    let plain = try scores(shared)
    func own(_ factor: (Int) -> Float) throws -> MatchingResult {
      let classed = try PromptTokens(count: 2, classes: names).attached(to: reference.graph, .standard) {
        tensor in
        let vectors = shared.initializers[tensor.name]!.tensor!.array(of: Float.self)
        return Tensor(
          names.indices.flatMap { place in vectors.map { $0 * factor(place) } }, shape: tensor.shape)
      }
      return try scores(classed.graph)
    }
    let same = try own { _ in 1 }
    #expect(same.scores == plain.scores)
    // The empty caption, which the bias is told relative to, has the class without words as the lake has.
    let dogs = try own { $0 == 1 ? -1 : 1 }
    #expect(dogs.scores[0][0] != plain.scores[0][0])
    #expect(dogs.scores[0][1...] == plain.scores[0][1...])
    let red = try own { $0 == 2 ? -1 : 1 }
    #expect(red.scores[0][1] != plain.scores[0][1] && red.scores[0][0] == plain.scores[0][0])
  }

  @Test func captionsOfNoClassAreRefused() throws {
    let reference = try Reference("sd15")
    let graph = try PromptTokens(count: 2, classes: ["dog"]).attached(to: reference.graph, seed: 1).graph
    let error = #expect(throws: DataError.self) {
      try job(reference, graph, texts: ["a dog"]) { $0.terms = .both }
    }
    #expect(error?.message == "the caption “” names none of the prompt tokens' classes 'dog'")
    #expect(throws: DataError.self) {
      try PromptTokens(count: 2, classes: ["dog", "dog"]).attached(to: reference.graph, seed: 1)
    }
  }

  @Test func wordsAreStarts() throws {
    let reference = try Reference("sdxl")
    let tokenizers = try PipelineTokenizers(
      reference.description, of: reference.graph, folder: reference.checkpoint)
    let start = try tokenizers.promptStart("a red dog", in: reference.graph)
    #expect(Set(start.keys) == ["text_encoder.prompt_tokens", "text_encoder_2.prompt_tokens"])
    let count = start["text_encoder.prompt_tokens"]!.shape[0] + 1
    let adapted = try PromptTokens(count: count).attached(to: reference.graph, seed: 1, start: start)
    for learned in adapted.learned {
      let values = adapted.graph.initializers[learned.name]!.tensor!
      #expect(values.rows(0..<count - 1).isIdentical(to: start[learned.key]!))
      #expect(values.rows(count - 1..<count).array(of: Float.self).contains { $0 != 0 })
    }
    #expect(throws: DataError.self) {
      try PromptTokens(count: count - 2).attached(to: reference.graph, seed: 1, start: start)
    }
    #expect(throws: DataError.self) { try tokenizers.promptStart("", in: reference.graph) }
  }
}
