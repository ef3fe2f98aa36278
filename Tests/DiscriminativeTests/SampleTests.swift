import Discriminative
import Foundation
import TestSupport
import Testing

/// The trained model that ships, against what PyTorch says of it (`Tools/sample/make_fixtures.py`).
@Suite struct SampleTests {
  struct Cases: Decodable, Sendable {
    struct Drawn: Decodable, Sendable {
      let text: String
      let steps: Int
      let guidance: Float
      let seed: UInt64
    }

    let timesteps: [Int]
    let layers: [String]
    let drawn: Drawn
  }

  static let folder = "\(Fixtures.repository)/Graphs/sample"

  private func cases() throws -> Cases {
    let data = try Data(contentsOf: URL(fileURLWithPath: Fixtures.path("sample/cases.json")))
    return try JSONDecoder().decode(Cases.self, from: data)
  }

  /// An evaluation of the six scenes that the demo and the card show.
  private func evaluation() throws -> Evaluation {
    var options = EvaluationOptions()
    options.matching.timesteps = try cases().timesteps
    options.variants = [NormalizedVariant(AttentionVariant(.logsumexp), .none)]
    options.threads = 2
    return try Evaluation(
      LoadedGraph(path: "\(SampleTests.folder)/graph.pb"),
      items: ItemReader.read(path: "\(SampleTests.folder)/images/captions.jsonl"),
      images: ImageSource(folder: "\(SampleTests.folder)/images"), options: options, results: nil)
  }

  @Test func termsOfTorch() throws {
    let evaluation = try evaluation()
    try evaluation.run()
    let reference = try SafetensorsFile(path: Fixtures.path("sample/terms.safetensors"))
    #expect(evaluation.items.count == 6)
    for (place, item) in evaluation.items.enumerated() {
      let terms = try #require(evaluation.terms(of: place))
      let errors = try reference.tensor("\(item.id).error").array(of: Float.self)
      let ours = try #require(terms.errors).values
      #expect(ours.count == errors.count)
      // Relative; measured: 1e-6.
      for (a, b) in zip(ours, errors) { #expect(abs(a - Double(b)) <= 1e-5 * Double(b)) }
      let attention = try reference.tensor("\(item.id).attention").array(of: Float.self)
      let read = try #require(terms.attention.values.first).values
      #expect(read.count == attention.count)
      let peak = Double(attention.map(abs).max()!)
      for (a, b) in zip(read, attention) { #expect(abs(a - Double(b)) <= 1e-5 * peak) }
    }
  }

  /// Four captions a scene, one of them right: the model's noise estimate tells which. At these five noise levels it
  /// takes the shirt of scene 5 for a t-shirt, a pair that it knows least well (see the model's card).
  @Test func rightCaptionsWin() throws {
    let evaluation = try evaluation()
    try evaluation.run()
    let bias = try #require(evaluation.choices.first { $0.terms == .bias })
    var missed: [String] = []
    for (place, item) in evaluation.items.enumerated() {
      let terms = try #require(evaluation.terms(of: place))
      let scores = try #require(try bias.scores(terms))[0]
      let best = try #require(scores.indices.max { scores[$0] < scores[$1] })
      if best != item.right[0].text { missed.append("\(item.id): \(item.texts[best])") }
    }
    #expect(missed == ["demo/5: a white t-shirt to the left of a red dress"])
  }

  @Test(arguments: SamplerKind.allCases) func drawnByDiffusers(_ sampler: SamplerKind) throws {
    let drawn = try cases().drawn
    var options = GenerationOptions()
    options.sampler = sampler
    options.steps = drawn.steps
    options.guidance = drawn.guidance
    let loaded = try LoadedGraph(path: "\(SampleTests.folder)/graph.pb")
    let job = try GenerationJob(
      loaded.graph, tokenizerFolder: loaded.assets, options: options, pool: ThreadPool(threads: 2))
    let made = try job.image(of: drawn.text, noise: job.noise(seed: drawn.seed)).image
    let expected = try RGBImage(contentsOf: Fixtures.path("sample/\(sampler.rawValue).png"))
    #expect(made.width == expected.width && made.height == expected.height)
    let differences = zip(made.pixels, expected.pixels).map { abs(Int($0) - Int($1)) }
    // A level apart only where a value lies at the border between two.
    #expect(differences.max()! <= 1)
    #expect(Double(differences.reduce(0, +)) <= 0.002 * Double(differences.count))
  }
}
