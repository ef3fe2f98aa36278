import OrderedCollections

/// Something to minimise: what depends on parameters and can tell its loss and gradients for some examples.
///
/// The trainer keeps the parameters; an objective is handed them with every batch and remembers nothing of them.
public protocol TrainingObjective: AnyObject {
  /// What is learned, as it is before the first step: float32 tensors by name, in the order of a file.
  var parameters: OrderedDictionary<String, Tensor> { get }

  /// The loss of a batch and, where they are wanted, its gradients.
  ///
  /// Equal arguments give equal results, bit for bit: a run that was cut off and goes on has to end the same.
  /// - Parameters:
  ///   - draws: the random part of each example's loss.
  ///   - parameters: a float32 tensor for each of `parameters`.
  func evaluate(
    _ batch: [TrainingExample], draws: [StepDraw], parameters: [String: Tensor], wantsGradients: Bool
  ) throws -> BatchResult
}

/// What an objective says about a batch.
public struct BatchResult: Sendable {
  /// One example of the batch.
  public struct Example: Sendable, Equatable {
    public var loss: Double
    /// The candidates' scores, the right one first.
    public var scores: [Double]

    public init(loss: Double, scores: [Double]) {
      self.loss = loss
      self.scores = scores
    }

    /// Whether the right candidate is above every wrong one; ties and what is not a number count as wrong.
    public var isRight: Bool { scores.dropFirst().allSatisfy { scores[0] > $0 } }
  }

  public var examples: [Example]
  /// Gradients of the mean loss by the parameters' names; empty where they were not wanted.
  public var gradients: [String: Tensor]

  public init(examples: [Example], gradients: [String: Tensor] = [:]) {
    self.examples = examples
    self.gradients = gradients
  }

  /// The mean loss of the examples.
  public var loss: Double { examples.reduce(0) { $0 + $1.loss } / Double(max(examples.count, 1)) }
  /// How many were answered right.
  public var right: Int { examples.count { $0.isRight } }
}
