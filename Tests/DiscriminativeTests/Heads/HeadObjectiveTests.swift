import OrderedCollections
import TestSupport
import Testing

@testable import Discriminative

@Suite struct HeadObjectiveTests {
  private let timesteps = 2
  private let layers = 3
  private let heads = 4

  /// Items with different numbers of candidates.
  private func examples() throws -> [TrainingExample] {
    let items = try [(2, 2), (1, 4), (2, 3)].enumerated().map { place, extents in
      EvaluationItem(
        id: "\(place)", task: "t", images: try (0..<extents.0).map { try ImageReference("\($0).png") },
        texts: (0..<extents.1).map { "\($0)" }, right: [.init(image: 0, text: 1)])
    }
    return TrainingExample.all(of: items)
  }

  private func objective(_ name: String, _ loss: TrainingLoss) throws -> HeadObjective {
    try HeadObjective(Head(named: name), loss: loss) { place in
      HeadTests.terms(
        pairs: [4, 4, 6][place], timesteps: timesteps, layers: layers, heads: heads, seed: UInt64(place) + 7)
    }
  }

  /// Losses are those of the scores, and gradients those of finite differences, for every head that learns.
  @Test(arguments: ["layer-weights", "dynamic-head-weights", "mlp"]) func gradients(_ name: String) throws {
    let examples = try examples()
    #expect(examples.map(\.pairs.count) == [2, 2, 4, 3, 2])
    let draws = examples.map { _ in StepDraw(timesteps: [], noiseSeed: 0) }
    for loss in [TrainingLoss.hinge(margin: 0.75), .crossEntropy(temperature: 0.5)] {
      let objective = try objective(name, loss)
      var parameters = Dictionary(uniqueKeysWithValues: objective.parameters.map { ($0, $1) })
      if name == "mlp" { parameters["last_weight"] = parameters["bias_weight"] }
      let result = try objective.evaluate(
        examples, draws: draws, parameters: parameters, wantsGradients: true)
      for example in result.examples {
        let expected = loss.value(example.scores).loss
        #expect(abs(example.loss - expected) < 1e-5)
      }
      for (key, tensor) in parameters {
        let gradient = try #require(result.gradients[key])
        #expect(gradient.shape == tensor.shape)
        let peak = gradient.array(of: Float.self).map { abs($0) }.max()!
        for place in 0..<min(tensor.count, 6) {
          func value(_ step: Float) throws -> Double {
            let moved = tensor.copy()
            moved.pointer(as: Float.self)[place] += step
            var changed = parameters
            changed[key] = moved
            return try objective.evaluate(examples, draws: draws, parameters: changed, wantsGradients: false)
              .loss
          }
          let difference = try (value(0.01) - value(-0.01)) / 0.02
          let own = Double(gradient.array(of: Float.self)[place])
          #expect(abs(own - difference) < 2e-3 * Double(max(peak, 0.1)), "\(name) \(key) \(place)")
        }
      }
    }
  }

  /// A batch's gradient is the mean of its examples'.
  @Test func batches() throws {
    let examples = try examples()
    let objective = try objective("layer-weights", .hinge(margin: 1))
    let parameters = Dictionary(uniqueKeysWithValues: objective.parameters.map { ($0, $1) })
    func evaluate(_ batch: [TrainingExample]) throws -> BatchResult {
      try objective.evaluate(
        batch, draws: batch.map { _ in StepDraw(timesteps: [], noiseSeed: 0) }, parameters: parameters,
        wantsGradients: true)
    }
    let whole = try evaluate(examples)
    var sum: [String: Tensor] = [:]
    for (place, example) in examples.enumerated() {
      let single = try evaluate([example])
      #expect(abs(single.loss - whole.examples[place].loss) < 1e-5)
      Gradients.add(single.gradients, share: 1 / Float(examples.count), to: &sum)
    }
    for (name, gradient) in whole.gradients {
      #expect(Comparison.relativeToPeak(sum[name]!, gradient) < 1e-5)
    }
  }

  /// Attention heads weigh as the mean absolute gradient of the loss says.
  @Test func importance() throws {
    let examples = try examples()
    let objective = try objective("dynamic-head-weights", .hinge(margin: 0.75))
    let draws = StepDraws(
      seed: 0, timesteps: .random(count: 1), validationTimesteps: [], scheduleLength: 1000)
    let learned = try ImportanceRule.learn(objective, examples, draws: draws)
    // The score is the mean of mask · term, so its slope is the mean over timesteps of the term, by the number of heads.
    var sums = [Double](repeating: 0, count: heads)
    for example in examples {
      let place = example.itemIndex
      let terms = HeadTests.terms(
        pairs: [4, 4, 6][place], timesteps: timesteps, layers: layers, heads: heads, seed: UInt64(place) + 7)
      let values = terms["heads"]!.array(of: Float.self).map(Double.init)
      let bias = terms["bias"]!.array(of: Float.self).map(Double.init)
      let rows = example.pairs.map { $0.image * example.item.texts.count + $0.text }
      let slopes = rows.map { row in
        (0..<heads).map { head in
          (0..<timesteps).reduce(0.0) { $0 + values[(row * timesteps + $1) * heads + head] }
            / Double(timesteps * heads)
        }
      }
      let scores = zip(rows, slopes).map { row, slopes in
        slopes.reduce(0, +) + (0..<timesteps).reduce(0.0) { $0 + bias[row * timesteps + $1] }
          / Double(timesteps)
      }
      let gradient = TrainingLoss.hinge(margin: 0.75).value(scores).gradient
      for head in 0..<heads {
        sums[head] += abs(zip(gradient, slopes).reduce(0) { $0 + $1.0 * $1.1[head] })
      }
    }
    let mean = sums.reduce(0, +) / Double(heads)
    #expect(mean > 0)
    let mask = learned["mask"]!.array(of: Float.self)
    for head in 0..<heads { #expect(abs(Double(mask[head]) - sums[head] / mean) < 1e-4) }
  }

  /// Steps make the loss of the examples small.
  @Test(arguments: ["layer-weights", "mlp"]) func learns(_ name: String) throws {
    let objective = try objective(name, .hinge(margin: 0.1))
    var options = TrainingOptions()
    options.steps = 150
    options.batch = 5
    options.learningRate = 0.02
    let draws = StepDraws(
      seed: 0, timesteps: .random(count: 1), validationTimesteps: [], scheduleLength: 1000)
    let trainer = try Trainer(objective, examples: try examples(), options: options, draws: draws)
    _ = try trainer.run()
    let steps = trainer.state.history.steps
    #expect(steps[0].loss > 0.2, "\(steps[0].loss)")
    #expect(steps.last!.loss < steps[0].loss / 4, "\(steps.last!.loss)")
  }

  @Test func nothingToLearn() {
    #expect { try objective("mean", .hinge(margin: 0.1)) } throws: { "\($0)".contains("nothing to learn") }
  }
}
