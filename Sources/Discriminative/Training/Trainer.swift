import OrderedCollections

/// Minimises an objective over some examples with AdamW.
///
/// A run is a function of its settings: cut off at any moment, it goes on from its checkpoint to the very same end.
public final class Trainer {
  /// Where a run leaves traces.
  public struct Outputs {
    /// Written every few steps, and when the run ends in whatever way.
    public var checkpoint: TrainingCheckpoint?
    /// Metrics, a JSON line each.
    public var log: String?

    public init(checkpoint: TrainingCheckpoint? = nil, log: String? = nil) {
      self.checkpoint = checkpoint
      self.log = log
    }
  }

  /// How a run ended.
  public enum Ending: Equatable, Sendable {
    /// All steps were taken.
    case finished
    /// Validation brought nothing better for too long.
    case stoppedEarly
    /// It was asked to stop, and goes on from its checkpoint.
    case interrupted
  }

  public let objective: any TrainingObjective
  public let examples: [TrainingExample]
  public let validation: [TrainingExample]
  public let options: TrainingOptions
  public let draws: StepDraws
  public private(set) var state: TrainingState

  private let outputs: Outputs
  private let group: (any ProcessGroup)?
  /// Whether this process writes the outputs: of several, the first.
  private var writes: Bool { group.map { $0.rank == 0 } ?? true }
  private var order: TrainingOrder

  /// - Parameters:
  ///   - resumes: goes on from the checkpoint if its file exists.
  ///   - group: processes that take every step together, each with its share of the batch; the first one writes.
  /// - Throws: `DataError` for examples that are none, and for a checkpoint that cannot be gone on from.
  public init(
    _ objective: any TrainingObjective, examples: [TrainingExample], validation: [TrainingExample] = [],
    options: TrainingOptions, draws: StepDraws, outputs: Outputs = Outputs(), resumes: Bool = false,
    group: (any ProcessGroup)? = nil
  ) throws {
    guard !examples.isEmpty else {
      throw DataError("there is nothing to learn from: no item has a wrong pair")
    }
    self.group = group
    self.objective = group.map { DistributedObjective(objective, $0) } ?? objective
    self.examples = examples
    self.validation = validation
    self.options = options
    self.draws = draws
    self.outputs = outputs
    order = TrainingOrder(count: examples.count, seed: options.seed)
    state = TrainingState(parameters: objective.parameters, optimizer: options.optimizer)
    if resumes, let checkpoint = outputs.checkpoint {
      if let group {
        if let found = try checkpoint.read(into: state, of: group) { state = found }
      } else if checkpoint.exists {
        state = try checkpoint.read(into: state)
      }
    }
  }

  /// What the run has learned so far: the best parameters where there is validation, else the last ones.
  public var learned: OrderedDictionary<String, Tensor> { validation.isEmpty ? state.parameters : state.best }

  /// Takes the steps that are left.
  /// - Parameters:
  ///   - progress: told after every step and validation.
  ///   - shouldStop: asked after every step.
  /// - Throws: `DataError` when a loss is not a number, and what the objective throws; the checkpoint on disk is
  ///   then the last good one.
  public func run(
    progress: ((TrainingState) -> Void)? = nil, shouldStop: () -> Bool = { false }
  ) throws -> Ending {
    let log = try (writes ? outputs.log : nil).map { try TrainingLog(path: $0, state.history) }
    var ending = Ending.finished
    while true {
      let isLast = state.step >= options.steps
      if isLast || state.step % options.validateEvery == 0 {
        if let line = try validate() { try log?.append(line) }
        progress?(state)
      }
      if isLast { break }
      if let patience = options.patience, state.history.stale >= patience {
        ending = .stoppedEarly
        break
      }
      let line = try takeStep()
      try log?.append(line)
      progress?(state)
      let isAsked = shouldStop()
      if try group?.any(isAsked) ?? isAsked {
        ending = .interrupted
        break
      }
      if writes, state.step % options.checkpointEvery == 0 { try outputs.checkpoint?.write(state) }
    }
    if writes { try outputs.checkpoint?.write(state) }
    return ending
  }

  /// One step. Gives its line for the log.
  private func takeStep() throws -> String {
    var gradients: [String: Tensor] = [:]
    var results: [BatchResult.Example] = []
    for part in 0..<options.accumulate {
      let start = (state.step * options.accumulate + part) * options.batch
      let batch = order.places(start..<start + options.batch).map { examples[$0] }
      let result = try evaluate(
        batch, draws: batch.indices.map { draws.draw(step: state.step, place: part * options.batch + $0) },
        wantsGradients: true)
      Gradients.add(result.gradients, share: 1 / Float(options.accumulate), to: &gradients)
      results += result.examples
    }
    let whole = BatchResult(examples: results)
    let norm = Double(Gradients.clip(gradients, to: options.clip))
    guard whole.loss.isFinite, norm.isFinite else {
      throw DataError(
        "step \(state.step + 1): the loss is \(whole.loss) and its gradient's norm \(norm); a smaller --lr may help"
      )
    }
    let rate = options.rates.rate(at: state.step)
    var parameters = state.parameters
    state.optimizer.update(&parameters, gradients: gradients, learningRate: rate)
    state.parameters = parameters
    state.step += 1
    let step = TrainingHistory.Step(
      loss: whole.loss, accuracy: Double(whole.right) / Double(results.count), learningRate: rate,
      gradientNorm: norm)
    state.history.steps.append(step)
    return TrainingHistory.line(step, number: state.step)
  }

  /// Measures the validation examples if that has not been done at this step. Gives a line for the log.
  private func validate() throws -> String? {
    guard !validation.isEmpty, state.history.validations.last?.step != state.step else { return nil }
    var results: [BatchResult.Example] = []
    for start in stride(from: 0, to: validation.count, by: options.batch) {
      let batch = Array(validation[start..<min(start + options.batch, validation.count)])
      results += try evaluate(
        batch, draws: batch.map { _ in draws.validation }, wantsGradients: false
      ).examples
    }
    let whole = BatchResult(examples: results)
    let entry = TrainingHistory.Validation(
      step: state.step, loss: whole.loss, accuracy: Double(whole.right) / Double(results.count))
    state.history.validations.append(entry)
    if state.history.stale == 0 { state.best = state.parameters }
    return TrainingHistory.line(entry)
  }

  private func evaluate(
    _ batch: [TrainingExample], draws: [StepDraw], wantsGradients: Bool
  ) throws -> BatchResult {
    try objective.evaluate(
      batch, draws: draws,
      parameters: Dictionary(state.parameters.map { ($0.key, $0.value) }, uniquingKeysWith: { a, _ in a }),
      wantsGradients: wantsGradients)
  }
}
