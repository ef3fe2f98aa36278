import Foundation
import OrderedCollections
import TestSupport
import Testing

@testable import Discriminative

/// The loop on an objective without a model: scores are linear in two parameters, with a little of the draw in them.
@Suite struct TrainerTests {
  final class Linear: TrainingObjective {
    let parameters: OrderedDictionary = [
      "weight": Tensor([0.5, -0.25] as [Float], shape: [2]), "other": Tensor([1] as [Float], shape: []),
    ]
    var failsAfter = Int.max
    private(set) var evaluations = 0

    func evaluate(
      _ batch: [TrainingExample], draws: [StepDraw], parameters: [String: Tensor], wantsGradients: Bool
    ) throws -> BatchResult {
      evaluations += 1
      if evaluations > failsAfter { throw DataError("failed") }
      let weight = parameters["weight"]!.array(of: Float.self).map(Double.init)
      var gradient = [0.0, 0.0]
      var result = BatchResult(examples: [])
      for (example, draw) in zip(batch, draws) {
        let features = example.pairs.map { pair in
          let noise = Double(draw.noiseSeed % 7) / 50
          return [Double(example.itemIndex % 5) / 5 - noise, Double(pair.text) / 3 + noise]
        }
        let scores = features.map { $0[0] * weight[0] + $0[1] * weight[1] }
        let loss = TrainingLoss.crossEntropy(temperature: 0.5).value(scores)
        result.examples.append(.init(loss: loss.loss, scores: scores))
        for (slope, feature) in zip(loss.gradient, features) {
          for axis in 0..<2 { gradient[axis] += slope * feature[axis] / Double(batch.count) }
        }
      }
      if wantsGradients {
        result.gradients["weight"] = Tensor(gradient.map { Float($0) }, shape: [2])
      }
      return result
    }
  }

  private func examples(_ count: Int) throws -> [TrainingExample] {
    let items = try (0..<count).map { place in
      EvaluationItem(
        id: "\(place)", task: "t", images: [try ImageReference("a.png")], texts: ["a", "b", "c"],
        right: [.init(image: 0, text: place % 3 == 0 ? 1 : 2)])
    }
    return TrainingExample.all(of: items)
  }

  private var options: TrainingOptions {
    var options = TrainingOptions()
    options.steps = 23
    options.batch = 3
    options.accumulate = 2
    options.learningRate = 0.05
    options.schedule = .cosine
    options.warmup = 3
    options.validateEvery = 5
    options.checkpointEvery = 4
    return options
  }

  private let draws = StepDraws(
    seed: 2, timesteps: .random(count: 1), validationTimesteps: [500], scheduleLength: 1000)

  private func trainer(
    _ objective: Linear, _ folder: String?, _ options: TrainingOptions? = nil, resumes: Bool = false,
    validates: Bool = true, settings: [String: String] = ["--lr": "1", "graph": "x"]
  ) throws -> Trainer {
    try Trainer(
      objective, examples: examples(10), validation: validates ? examples(4) : [],
      options: options ?? self.options, draws: draws,
      outputs: folder.map {
        .init(
          checkpoint: TrainingCheckpoint(path: "\($0)/state", settings: settings), log: "\($0)/log.jsonl")
      } ?? .init(), resumes: resumes)
  }

  @Test func learns() throws {
    let trainer = try trainer(Linear(), nil)
    #expect(try trainer.run() == .finished)
    let history = trainer.state.history
    #expect(history.steps.count == 23 && trainer.state.step == 23)
    #expect(history.validations.map(\.step) == [0, 5, 10, 15, 20, 23])
    #expect(history.validations.last!.loss < history.validations[0].loss - 0.01)
    #expect(history.steps[0].learningRate == 0 && history.steps[3].learningRate == 0.05)
    // What has no gradient stays.
    #expect(trainer.learned["other"]!.array(of: Float.self) == [1])
    #expect(trainer.learned["weight"]!.array(of: Float.self) != [0.5, -0.25])
  }

  /// Cut off after any number of evaluations, as by a kill, and gone on with: the same state file and the same log, byte
  /// for byte.
  @Test func resume() throws {
    let whole = try Fixtures.scratch()
    #expect(try trainer(Linear(), whole).run() == .finished)
    let state = try Data(contentsOf: URL(fileURLWithPath: "\(whole)/state"))
    let log = try String(contentsOfFile: "\(whole)/log.jsonl", encoding: .utf8)
    #expect(log.split(separator: "\n").count == 23 + 6)
    #expect(log.hasPrefix("{\"step\":0,\"validation_loss\":"))
    for first in [1, 4, 7, 13, 21, 36] {
      let folder = try Fixtures.scratch()
      for evaluations in [first, 11, 1, Int.max] {
        let objective = Linear()
        objective.failsAfter = evaluations
        let trainer = try trainer(objective, folder, resumes: true)
        _ = try? trainer.run()
        // Half a line, as a kill leaves it.
        if evaluations < .max {
          let handle = try #require(FileHandle(forWritingAtPath: "\(folder)/log.jsonl"))
          try handle.seekToEnd()
          try handle.write(contentsOf: Data("{\"step\":".utf8))
        }
      }
      #expect(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/state")) == state, "\(first)")
      #expect(try String(contentsOfFile: "\(folder)/log.jsonl", encoding: .utf8) == log, "\(first)")
    }
  }

  /// Asked to stop, a run leaves a checkpoint behind.
  @Test func interrupted() throws {
    let folder = try Fixtures.scratch()
    let first = try trainer(Linear(), folder)
    #expect(try first.run(shouldStop: { first.state.step == 6 }) == .interrupted)
    let second = try trainer(Linear(), folder, resumes: true)
    #expect(second.state.step == 6)
    #expect(try second.run() == .finished)
    let whole = try trainer(Linear(), nil)
    _ = try whole.run()
    #expect(second.state.history == whole.state.history)
    #expect(second.learned["weight"]!.isIdentical(to: whole.learned["weight"]!))
    // A finished run that goes on has nothing left to do.
    let objective = Linear()
    #expect(try trainer(objective, folder, resumes: true).run() == .finished)
    #expect(objective.evaluations == 0)
  }

  @Test func refusals() throws {
    let folder = try Fixtures.scratch()
    _ = try trainer(Linear(), folder).run()
    func message(_ settings: [String: String]) -> String {
      do { _ = try trainer(Linear(), folder, resumes: true, settings: settings) } catch {
        return "\(error)"
      }
      return ""
    }
    #expect(
      message(["--lr": "2", "graph": "y"]).contains(
        "was made with --lr 1, this run has 2; leave out --resume"))
    #expect(message(["--lr": "1", "graph": "y"]).contains("was made with another graph"))
    #expect(message(["--lr": "1", "--clip": "3", "graph": "x"]).contains("--clip none, this run has 3"))
    #expect(message(["--lr": "1", "graph": "x"]).isEmpty)
    try Data("nothing".utf8).write(to: URL(fileURLWithPath: "\(folder)/state"))
    #expect(!message(["--lr": "1", "graph": "x"]).isEmpty)
    try SafetensorsWriter.write([("a", Tensor(scalar: Float(1)))], to: "\(folder)/state")
    #expect(message(["--lr": "1", "graph": "x"]).contains("not a checkpoint of dsd train"))
  }

  /// The best parameters are kept, and a run that gets no better ends.
  @Test func earlyStopping() throws {
    var options = options
    options.steps = 400
    options.schedule = .constant
    // So large that it overshoots at once.
    options.learningRate = 30
    options.clip = nil
    options.patience = 3
    let trainer = try trainer(Linear(), nil, options)
    #expect(try trainer.run() == .stoppedEarly)
    let validations = trainer.state.history.validations
    let best = try #require(trainer.state.history.best)
    #expect(best == validations.count - 4)
    #expect(validations.allSatisfy { $0.loss >= validations[best].loss })
    let objective = Linear()
    let result = try objective.evaluate(
      examples(4), draws: [StepDraw](repeating: draws.validation, count: 4),
      parameters: ["weight": trainer.learned["weight"]!], wantsGradients: false)
    #expect(abs(result.loss - validations[best].loss) < 1e-12)
    // Without validation the last parameters count.
    options.steps = 5
    let blind = try self.trainer(Linear(), nil, options, validates: false)
    _ = try blind.run()
    #expect(blind.learned["weight"]!.isIdentical(to: blind.state.parameters["weight"]!))
    #expect(blind.state.history.validations.isEmpty)
  }

  /// Two halves accumulated are one batch.
  @Test func accumulation() throws {
    var (halves, whole) = (options, options)
    (halves.batch, halves.accumulate) = (3, 2)
    (whole.batch, whole.accumulate) = (6, 1)
    let runs = try [halves, whole].map { options in
      let trainer = try trainer(Linear(), nil, options)
      _ = try trainer.run()
      return trainer
    }
    for (a, b) in zip(runs[0].state.history.steps, runs[1].state.history.steps) {
      #expect(abs(a.loss - b.loss) < 1e-6)
    }
  }

  @Test func order() {
    var order = TrainingOrder(count: 5, seed: 1)
    let places = order.places(0..<15)
    for epoch in 0..<3 { #expect(Set(places[epoch * 5..<epoch * 5 + 5]) == Set(0..<5)) }
    #expect(places[0..<5] != places[5..<10])
    // From the middle it is the same.
    var again = TrainingOrder(count: 5, seed: 1)
    #expect(again.places(7..<12) == Array(places[7..<12]))
  }

  @Test func notANumber() throws {
    final class Broken: TrainingObjective {
      let parameters: OrderedDictionary = ["p": Tensor(scalar: Float(1))]
      func evaluate(
        _ batch: [TrainingExample], draws: [StepDraw], parameters: [String: Tensor], wantsGradients: Bool
      ) -> BatchResult {
        BatchResult(
          examples: batch.map { _ in .init(loss: .nan, scores: [.nan, 0]) },
          gradients: ["p": Tensor(scalar: Float.nan)])
      }
    }
    let trainer = try Trainer(Broken(), examples: examples(3), options: options, draws: draws)
    #expect { try trainer.run() } throws: { "\($0)".contains("step 1: the loss is nan") }
  }
}
