import Foundation

/// How the learning rate goes over the steps, as the schedules of transformers.
public struct LearningRate: Sendable, Equatable {
  public enum Schedule: String, Sendable, CaseIterable {
    /// `get_constant_schedule_with_warmup`
    case constant
    /// `get_linear_schedule_with_warmup`
    case linear
    /// `get_cosine_schedule_with_warmup`
    case cosine
  }

  public var peak: Double
  public var schedule: Schedule
  /// Steps in which the rate rises from 0.
  public var warmup: Int
  /// Steps of the whole run.
  public var steps: Int

  public init(peak: Double, schedule: Schedule = .constant, warmup: Int = 0, steps: Int) {
    self.peak = peak
    self.schedule = schedule
    self.warmup = warmup
    self.steps = steps
  }

  /// The rate of a step, from 0.
  public func rate(at step: Int) -> Double {
    if step < warmup { return peak * (Double(step) / Double(max(1, warmup))) }
    let rest = Double(max(1, steps - warmup))
    switch schedule {
    case .constant: return peak
    case .linear: return peak * max(0, Double(steps - step) / rest)
    case .cosine: return peak * max(0, 0.5 * (1 + cos(.pi * (Double(step - warmup) / rest))))
    }
  }
}
