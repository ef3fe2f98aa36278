import Diffusion
import GraphIR

/// How a matching job scores: the options of `attn-score`.
public struct MatchingOptions: Sendable {
  /// Which terms are computed.
  public enum Terms: String, Sendable, CaseIterable {
    case both, attention, bias
  }

  /// What stands for an image: the mean of the VAE's posterior or a sample of it.
  public enum Latent: String, Sendable, CaseIterable {
    case mean, sample
  }

  public var layers = LayerSelection.official
  public var pooling = Pooling.logsumexp
  public var positions = TextPositions.all
  /// What the attention term is told relative to.
  public var normalize = Normalization.none
  /// Normalizations that `MatchingJob.attention` can be asked for besides `normalize`: what they need is run.
  public var baselines: Set<Normalization> = []
  /// Runs the empty caption for a hook that wants to see it, even if the score does not need it.
  public var includesEmptyCaption = false
  /// Values of the graph to keep for every pair and timestep, beside the score.
  public var values: [String] = []
  /// Nil scores nothing: the run is for the sake of hooks alone.
  public var terms: Terms? = .both
  /// Averages the attention term over the unconditional pass as well, and takes the raw output of
  /// v-prediction models for the noise, as the official code does.
  public var officialCompat = false
  public var latent = Latent.mean
  /// Timesteps; when nil, `samples` of them spread evenly.
  public var timesteps: [Int]?
  public var samples = 4
  public var seed: UInt64 = 0
  /// Noise `[timesteps, channels, height, width]` instead of the seed's.
  public var noise: Tensor?
  /// Gives up captions of an image that can no longer be its best one, at this error rate; see ``Elimination``.
  public var adaptive: Double?
  /// Captions of an image and timestep that go through the model together, at most; nil leaves it to the model's size.
  public var batch: Int?
  /// Bytes for values held between passes.
  public var memoryBudget = 4 << 30

  public init() {}

  /// Timesteps in the middle of `samples` equal parts of the schedule.
  static func spread(_ samples: Int, over count: Int) -> [Int] {
    (0..<samples).map { (2 * $0 + 1) * count / (2 * samples) }
  }

  /// The noise levels of a job.
  /// - Throws: `DataError` when they are not in the schedule.
  public func timesteps(of description: PipelineDescription) throws -> [Int] {
    let count = description.scheduler.trainTimesteps
    guard timesteps != nil || samples <= count else {
      throw DataError("--samples: \(samples) is too many, the schedule has \(count) noise levels")
    }
    let chosen = timesteps ?? MatchingOptions.spread(samples, over: count)
    for t in chosen where t < 0 || t >= count {
      throw DataError("--timesteps: \(t) is out of range, the schedule has 0 to \(count - 1)")
    }
    return chosen
  }

  var needsBias: Bool { terms == .both || terms == .bias }
  /// The value that the bias is measured on.
  var estimateName: String { officialCompat ? "noise_pred" : "noise_estimate" }
  var needsAttention: Bool { terms == .both || terms == .attention }
  /// Whether the empty caption is run.
  var needsEmptyCaption: Bool {
    needsBias || (officialCompat && terms != nil) || needs(.emptyCaption) || includesEmptyCaption
  }
  /// Whether a latent of zeros is run beside the images.
  var needsPureNoise: Bool { needs(.noise) }
  func needs(_ kind: Normalization) -> Bool {
    needsAttention && (normalize == kind || baselines.contains(kind))
  }

  /// Refuses options that do not go together.
  /// - Parameter images: how many images will be scored.
  /// - Throws: `UsageError` that names the option.
  public func check(images: Int) throws {
    if adaptive != nil {
      guard terms != nil else { throw UsageError("--adaptive: needs --hook attn-score") }
      guard normalize == .none || normalize == .emptyCaption else {
        throw UsageError("--adaptive: --normalize \(normalize.rawValue) needs every pass")
      }
    }
    if normalize != .none, terms == .bias {
      throw UsageError("--normalize \(normalize.rawValue): --score bias has no attention term")
    }
    if needs(.images), images < 2 {
      throw UsageError("--normalize images: needs two images at least, there is \(images)")
    }
    if needsAttention, pooling == .mass, positions == .all {
      throw UsageError("--pooling mass: is 1 over all positions; it needs --positions content")
    }
  }
}
