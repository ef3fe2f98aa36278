/// What the terms of an evaluation are computed with: the first line of a results file.
public struct ResultsHeader: Codable, Sendable, Equatable {
  public static let format = "dsd-eval"
  public static let version = 1

  public private(set) var format = ResultsHeader.format
  public private(set) var version = ResultsHeader.version
  /// The digest of the graph file.
  public var graph: String
  /// The digest of the weights; see `WeightDigest`.
  public var weights: String
  public var timesteps: [Int]
  public var seed: UInt64
  /// The digest of noise from a file.
  public var noise: String?
  public var latent: String
  public var officialCompat: Bool
  /// Terms: both, attention or bias.
  public var score: String
  /// The attention term's variants, without what they are told relative to; empty when it is not computed.
  public var variants: [String]
  /// Whether the empty caption is run.
  public var emptyCaption: Bool
  /// Whether a latent of zeros is run.
  public var pureNoise: Bool
  /// Names of the cross-attention layers.
  public var layers: [String]
  /// How many attention heads each layer has, where these are kept one by one.
  public var heads: [Int]?

  enum CodingKeys: String, CodingKey {
    case format, version, graph, weights, timesteps, seed, noise, latent, score, variants, layers, heads
    case officialCompat = "official_compat"
    case emptyCaption = "empty_caption"
    case pureNoise = "pure_noise"
  }

  public init(
    graph: String, weights: String, timesteps: [Int], seed: UInt64, noise: String?, latent: String,
    officialCompat: Bool, score: String, shape: TermShape, layers: [String], heads: [Int]? = nil
  ) {
    self.graph = graph
    self.weights = weights
    self.timesteps = timesteps
    self.seed = seed
    self.noise = noise
    self.latent = latent
    self.officialCompat = officialCompat
    self.score = score
    variants = shape.variants.map(\.description)
    emptyCaption = shape.hasEmptyCaption
    pureNoise = shape.hasPureNoise
    self.layers = layers
    self.heads = heads
  }

  /// Which terms every line holds.
  public var shape: TermShape {
    TermShape(
      variants: variants.compactMap { AttentionVariant($0) },
      hasErrors: score != MatchingOptions.Terms.attention.rawValue, hasEmptyCaption: emptyCaption,
      hasPureNoise: pureNoise, hasHeads: heads != nil)
  }

  /// Why lines made with these settings are not what `wanted` asks for, in words; nil when they are. They may hold
  /// more than that. Layers are the graph's own matter.
  func refusal(of wanted: ResultsHeader) -> String? {
    if weights != wanted.weights { return "was made with other weights" }
    if graph != wanted.graph { return "was made with another graph" }
    if noise != wanted.noise { return "was made with other noise" }
    func list(_ values: [some Any]) -> String { values.map { "\($0)" }.joined(separator: ",") }
    let options = [
      ("--timesteps", list(timesteps), list(wanted.timesteps)), ("--seed", "\(seed)", "\(wanted.seed)"),
      ("--latent", latent, wanted.latent), ("--score", score, wanted.score),
      ("--official-compat", "\(officialCompat)", "\(wanted.officialCompat)"),
    ]
    if let (name, old, new) = options.first(where: { $1 != $2 }) {
      return "was made with \(name) \(old), this run has \(name) \(new)"
    }
    let missing = wanted.variants.filter { !variants.contains($0) }
    if !missing.isEmpty {
      return "was made with --variants \(list(variants)), without \(list(missing))"
    }
    if wanted.emptyCaption && !emptyCaption { return "was made without the empty caption" }
    if wanted.pureNoise && !pureNoise { return "was made without variants relative to noise" }
    if wanted.heads != nil && heads == nil { return "was made without attention heads one by one" }
    return nil
  }
}
