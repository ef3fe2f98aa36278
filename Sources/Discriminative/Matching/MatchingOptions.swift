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
  public var terms = Terms.both
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
  /// Bytes for values held between passes.
  public var memoryBudget = 4 << 30

  public init() {}

  /// Timesteps in the middle of `samples` equal parts of the schedule.
  static func spread(_ samples: Int, over count: Int) -> [Int] {
    (0..<samples).map { (2 * $0 + 1) * count / (2 * samples) }
  }

  var needsBias: Bool { terms != .attention }
  /// The value that the bias is measured on.
  var estimateName: String { officialCompat ? "noise_pred" : "noise_estimate" }
  var needsAttention: Bool { terms != .bias }
  /// Whether the empty caption is run.
  var needsEmptyCaption: Bool { needsBias || officialCompat }
}
