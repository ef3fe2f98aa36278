import Discriminative
import TestSupport
import Testing

@Suite("The loss of a pipeline as a graph, and its gradient")
struct MatchingObjectiveTests {
  static let draw = StepDraw(timesteps: [100, 700], noiseSeed: 5)

  private func examples(_ reference: Reference) throws -> [TrainingExample] {
    let images = try reference.imagePaths.map { try ImageReference(String($0.split(separator: "/").last!)) }
    let item = EvaluationItem(
      id: "1", task: "t", images: images, texts: Array(reference.texts.prefix(2)),
      right: [.init(image: 0, text: 0), .init(image: 1, text: 1)])
    return TrainingExample.all(of: [item])
  }

  private func objective(
    _ reference: Reference, _ adapter: some Adapter, _ loss: TrainingLoss = .hinge(margin: 20),
    rowLimit: Int? = nil, terms: MatchingOptions.Terms = .both, cache: String? = nil,
    model: [String: String] = ["weights": "a"]
  ) throws -> MatchingObjective {
    var options = MatchingOptions()
    options.terms = terms
    let adapted = try adapter.attached(to: reference.graph, seed: 3)
    return try MatchingObjective(
      adapted,
      try PipelineTokenizers(reference.description, of: adapted.graph, folder: reference.checkpoint),
      try ImageSource(folder: Fixtures.path("reference/\(reference.kind)")), options, loss,
      rowLimit: rowLimit, cache: cache, model: model, pool: ThreadPool(threads: 2))
  }

  @Test("A file keeps latents and captions from run to run")
  func cache() throws {
    let reference = try Reference("sdxl")
    let examples = try examples(reference)
    let path = "\(try Fixtures.scratch())/frozen.safetensors"
    func run(_ adapter: some Adapter, _ cache: String?) throws -> (BatchResult, Int) {
      let objective = try self.objective(reference, adapter, cache: cache)
      let result = try objective.evaluate(
        examples, draws: examples.map { _ in Self.draw }, parameters: initial(objective), wantsGradients: true
      )
      try objective.saveCache()
      return (result, objective.computedCount)
    }
    // The empty caption stands beside two images and two captions.
    let (alone, all) = try run(KeyValueTokens(count: 2), nil)
    let (first, computed) = try run(KeyValueTokens(count: 2), path)
    let (second, again) = try run(KeyValueTokens(count: 2), path)
    #expect(all == computed && computed >= 4 && again == 0)
    for result in [first, second] {
      #expect(result.examples.map(\.scores) == alone.examples.map(\.scores))
      for (name, gradient) in alone.gradients {
        #expect(result.gradients[name]!.array(of: Float.self) == gradient.array(of: Float.self))
      }
    }
    // A text encoder that learns takes the latents alone.
    #expect(try run(PromptTokens(count: 2), path).1 == 0)
    #expect(throws: DataError.self) {
      try objective(reference, KeyValueTokens(count: 2), cache: path, model: ["weights": "b"])
    }
    try AtomicFile.write(Array("{}".utf8), to: path)
    #expect(throws: DataError.self) { try objective(reference, KeyValueTokens(count: 2), cache: path) }
  }

  @Test("Scores differ among candidates as those of a matching job do", arguments: Reference.kinds)
  func scores(_ kind: String) throws {
    let reference = try Reference(kind)
    let examples = try examples(reference)
    // Low-rank updates start as nothing.
    let objective = try self.objective(reference, LoRA(rank: 2, of: [.cross, .selfAttention]))
    let result = try objective.evaluate(
      examples, draws: examples.map { _ in Self.draw }, parameters: initial(objective), wantsGradients: false)
    let job = try reference.job {
      $0.timesteps = Self.draw.timesteps
      $0.seed = Self.draw.noiseSeed
      $0.noise = nil
    }
    let expected = try job.run().scores
    for (example, found) in zip(examples, result.examples) {
      let all = example.pairs.map { expected[$0.image][$0.text] }
      for place in all.indices {
        let ours: Double = found.scores[place] - found.scores[0]
        let theirs: Double = all[place] - all[0]
        #expect(abs(ours - theirs) < 2e-4)
      }
    }
    #expect(result.gradients.isEmpty)
  }

  private func initial(_ objective: MatchingObjective) -> [String: Tensor] {
    Dictionary(uniqueKeysWithValues: objective.parameters.map { ($0.key, $0.value) })
  }

  @Test(
    "The loss falls along the gradient as fast as the gradient says", arguments: Reference.kinds,
    [TrainingLoss.hinge(margin: 20), .crossEntropy(temperature: 1)])
  func slope(_ kind: String, _ loss: TrainingLoss) throws {
    let reference = try Reference(kind)
    let examples = try examples(reference)
    let draws = examples.map { _ in Self.draw }
    let adapters: [any Adapter] = [
      PromptTokens(count: 2), LoRA(rank: 2, of: [.cross, .selfAttention]), KeyValueTokens(count: 2),
    ]
    for adapter in adapters {
      let objective = try self.objective(reference, adapter, loss)
      let start = initial(objective)
      let result = try objective.evaluate(examples, draws: draws, parameters: start, wantsGradients: true)
      var squares = 0.0
      for gradient in result.gradients.values {
        for value in gradient.array(of: Float.self) { squares += Double(value) * Double(value) }
      }
      let length = squares.squareRoot()
      #expect(length > 0)
      func moved(_ step: Double) throws -> Double {
        let factor = Float(step / length)
        var parameters = start
        for (name, gradient) in result.gradients {
          var values = start[name]!.array(of: Float.self)
          for (place, slope) in gradient.array(of: Float.self).enumerated() {
            values[place] += factor * slope
          }
          parameters[name] = Tensor(values, shape: gradient.shape)
        }
        return try objective.evaluate(examples, draws: draws, parameters: parameters, wantsGradients: false)
          .loss
      }
      // A step that changes the loss by some thousandths: above rounding, below curvature.
      let step = min(0.002 / length, 0.005)
      let slope = (try moved(step) - moved(-step)) / (2 * step)
      #expect(abs(slope / length - 1) < 0.01, "\(adapter.kind): \(slope) for \(length)")
    }
  }

  @Test("Runs of few rows give the gradient of the whole batch")
  func parts() throws {
    let reference = try Reference("sd15")
    let examples = try examples(reference)
    let draws = examples.indices.map { StepDraw(timesteps: [200 * $0 + 50], noiseSeed: UInt64($0)) }
    let whole = try objective(reference, PromptTokens(count: 2))
    let parts = try objective(reference, PromptTokens(count: 2), rowLimit: 1)
    let a = try whole.evaluate(examples, draws: draws, parameters: initial(whole), wantsGradients: true)
    let b = try parts.evaluate(examples, draws: draws, parameters: initial(parts), wantsGradients: true)
    #expect(abs(a.loss - b.loss) < 1e-4)
    for (name, gradient) in a.gradients {
      #expect(Comparison.relativeToPeak(b.gradients[name]!, gradient) < 1e-4)
    }
  }

  @Test("What cannot be learned through is refused")
  func refusals() throws {
    var options = MatchingOptions()
    options.pooling = .max
    #expect(throws: UsageError.self) {
      try ScoreNodes(ScoreLayout(examples: 1, candidates: 2), .hinge(margin: 0.1), options)
    }
  }
}
