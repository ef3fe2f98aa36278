/// How a trainer goes about it; what is learned and from what is its objective's and its examples' matter.
public struct TrainingOptions: Sendable, Equatable {
  /// Steps of the optimizer.
  public var steps = 200
  /// Examples of one evaluation of the objective.
  public var batch = 8
  /// Evaluations whose gradients are averaged for one step.
  public var accumulate = 1
  /// Decides the order of examples, and what is drawn.
  public var seed: UInt64 = 0
  public var learningRate = 0.01
  public var schedule = LearningRate.Schedule.constant
  /// Steps in which the rate rises from 0.
  public var warmup = 0
  public var beta1 = 0.9
  public var beta2 = 0.999
  public var epsilon = 1e-8
  public var weightDecay = 0.01
  /// The largest L2 norm of all gradients together; nil clips nothing.
  public var clip: Float? = 1
  /// Steps from one validation to the next.
  public var validateEvery = 20
  /// Ends the run after so many validations in a row that bring nothing better.
  public var patience: Int?
  /// Steps from one checkpoint to the next.
  public var checkpointEvery = 20

  public init() {}

  var rates: LearningRate {
    LearningRate(peak: learningRate, schedule: schedule, warmup: warmup, steps: steps)
  }

  var optimizer: AdamW {
    AdamW(beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: weightDecay)
  }

  /// Everything that decides how a run ends, by the names of the command line. How often checkpoints are written
  /// plays no part.
  public var settings: [String: String] {
    [
      "--steps": "\(steps)", "--batch": "\(batch)", "--accumulate": "\(accumulate)", "--run-seed": "\(seed)",
      "--lr": "\(learningRate)", "--schedule": schedule.rawValue, "--warmup": "\(warmup)",
      "--betas": "\(beta1),\(beta2)", "--eps": "\(epsilon)", "--weight-decay": "\(weightDecay)",
      "--clip": clip.map { "\($0)" } ?? "none", "--validate-every": "\(validateEvery)",
      "--patience": patience.map { "\($0)" } ?? "none",
    ]
  }
}
