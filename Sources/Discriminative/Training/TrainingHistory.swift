/// What a run has measured so far.
public struct TrainingHistory: Sendable, Equatable {
  /// One step: the mean loss and the share of right answers of its examples, before the step.
  public struct Step: Sendable, Equatable {
    public var loss, accuracy: Double
    public var learningRate: Double
    /// The gradients' norm before clipping.
    public var gradientNorm: Double
  }

  /// The validation examples after so many steps.
  public struct Validation: Sendable, Equatable {
    public var step: Int
    public var loss, accuracy: Double
  }

  public var steps: [Step] = []
  public var validations: [Validation] = []

  public init() {}

  /// The place of the validation with the smallest loss, of equal ones the first; nil before the first.
  public var best: Int? {
    validations.indices.min { a, b in
      let (x, y) = (validations[a].loss, validations[b].loss)
      // What is not a number is behind all that are.
      return (x.isNaN ? 1 : 0, x.isNaN ? 0 : x, a) < (y.isNaN ? 1 : 0, y.isNaN ? 0 : y, b)
    }
  }

  /// Validations since the best one.
  public var stale: Int { best.map { validations.count - 1 - $0 } ?? 0 }

  // MARK: Lines

  /// Steps and validations as JSON, a line each, in the order in which they were measured.
  public var lines: [String] {
    var result: [String] = []
    var next = validations.startIndex
    for count in 0...steps.count {
      if count > 0 { result.append(TrainingHistory.line(steps[count - 1], number: count)) }
      while next < validations.endIndex, validations[next].step == count {
        result.append(TrainingHistory.line(validations[next]))
        next += 1
      }
    }
    return result
  }

  static func line(_ step: Step, number: Int) -> String {
    "{\"step\":\(number),\"loss\":\(json(step.loss)),\"accuracy\":\(json(step.accuracy)),"
      + "\"learning_rate\":\(json(step.learningRate)),\"gradient_norm\":\(json(step.gradientNorm))}"
  }

  static func line(_ validation: Validation) -> String {
    "{\"step\":\(validation.step),\"validation_loss\":\(json(validation.loss)),"
      + "\"validation_accuracy\":\(json(validation.accuracy))}"
  }

  private static func json(_ value: Double) -> String {
    value.isFinite ? "\(value)" : value.isNaN ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\""
  }

  // MARK: Tensors

  /// `[steps, 4]` and `[validations, 3]`, float64.
  var tensors: (steps: Tensor, validations: Tensor) {
    let rows = steps.flatMap { [$0.loss, $0.accuracy, $0.learningRate, $0.gradientNorm] }
    let checks = validations.flatMap { [Double($0.step), $0.loss, $0.accuracy] }
    return (Tensor(rows, shape: [steps.count, 4]), Tensor(checks, shape: [validations.count, 3]))
  }

  /// Nil when the tensors are not a history's.
  init?(steps: Tensor, validations: Tensor) {
    guard steps.dtype == .float64, steps.rank == 2, steps.shape[1] == 4, validations.dtype == .float64,
      validations.rank == 2, validations.shape[1] == 3
    else { return nil }
    let rows = steps.array(of: Double.self)
    self.steps = (0..<steps.shape[0]).map {
      Step(
        loss: rows[4 * $0], accuracy: rows[4 * $0 + 1], learningRate: rows[4 * $0 + 2],
        gradientNorm: rows[4 * $0 + 3])
    }
    let checks = validations.array(of: Double.self)
    for place in 0..<validations.shape[0] {
      guard let step = Int(exactly: checks[3 * place]), (0...steps.shape[0]).contains(step),
        step >= self.validations.last.map({ $0.step + 1 }) ?? 0
      else { return nil }
      self.validations.append(
        Validation(step: step, loss: checks[3 * place + 1], accuracy: checks[3 * place + 2]))
    }
  }
}
