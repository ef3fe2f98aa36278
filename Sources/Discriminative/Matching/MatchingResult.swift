import Foundation

/// Scores of images against texts, `[image][text]`, and what they are made of.
public struct MatchingResult: Sendable, Encodable {
  public struct PerTimestep: Sendable, Encodable {
    /// `[image][text][timestep]`; not a number where the pass did not run, which is null in JSON.
    public var attention: [[[Double]]]?
    public var bias: [[[Double]]]?
    /// Whether passes were left out.
    var hasGaps = false

    enum CodingKeys: String, CodingKey { case attention, bias }

    public func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      func gaps(_ term: [[[Double]]]?) -> [[[Double?]]]? {
        term?.map { $0.map { $0.map { hasGaps && $0.isNaN ? nil : $0 } } }
      }
      try container.encodeIfPresent(gaps(attention), forKey: .attention)
      try container.encodeIfPresent(gaps(bias), forKey: .bias)
    }
  }

  /// What giving up captions has saved; see ``Elimination``.
  public struct Adaptive: Sendable, Encodable {
    public var errorRate: Double
    /// UNet passes that ran, and those of all captions at all timesteps.
    public var passes: Int
    public var allPasses: Int
    /// Timesteps at which a pair was run, `[image][text]`.
    public var timesteps: [[Int]]
    /// Captions that were never given up, `[image][text]`: the best one is among them.
    public var alive: [[Bool]]

    enum CodingKeys: String, CodingKey {
      case passes, timesteps, alive
      case errorRate = "error_rate"
      case allPasses = "all_passes"
    }
  }

  public var images: [String]
  public var texts: [String]
  public var timesteps: [Int]
  /// Names of the layers the attention term was read from.
  public var layers: [String]
  /// How the attention term was read.
  public var pooling: String
  public var positions: String
  public var normalize: String
  /// The head that made the scores; nil for the mean.
  public var head: String?
  public var scores: [[Double]]
  /// Nil when the term was not asked for; likewise `bias`.
  public var attention: [[Double]]?
  public var bias: [[Double]]?
  public var perTimestep: PerTimestep
  /// Nil when every pass ran.
  public var adaptive: Adaptive?
  /// The index of the best text for each image; of equal scores the first.
  public var bestText: [Int]
  /// The index of the best image for each text.
  public var bestImage: [Int]

  enum CodingKeys: String, CodingKey {
    case images, texts, timesteps, layers, pooling, positions, normalize, head, scores, attention, bias,
      adaptive
    case perTimestep = "per_timestep"
    case bestText = "best_text"
    case bestImage = "best_image"
  }

  /// - Parameters:
  ///   - attention: `[image][text][timestep]`
  ///   - bias: likewise
  init(
    images: [String], texts: [String], timesteps: [Int], layers: [String], options: MatchingOptions,
    attention: [[[Double]]]?, bias: [[[Double]]]?, elimination: Adaptive? = nil
  ) {
    self.images = images
    self.texts = texts
    self.timesteps = timesteps
    self.layers = layers
    pooling = options.pooling.rawValue
    positions = options.positions.rawValue
    normalize = options.normalize.rawValue
    perTimestep = PerTimestep(attention: attention, bias: bias, hasGaps: elimination != nil)
    adaptive = elimination
    func means(_ term: [[[Double]]]?) -> [[Double]]? {
      term?.enumerated().map { image, rows in
        rows.enumerated().map { text, values in
          let count = elimination?.timesteps[image][text] ?? values.count
          let run = count == values.count ? values : values.filter { !$0.isNaN }
          return run.reduce(0, +) / Double(max(count, 1))
        }
      }
    }
    let attentionMeans = means(attention)
    let biasMeans = means(bias)
    self.attention = attentionMeans
    self.bias = biasMeans
    scores = images.indices.map { image in
      texts.indices.map { text in
        (attentionMeans?[image][text] ?? 0) + (biasMeans?[image][text] ?? 0)
      }
    }
    bestText = []
    bestImage = []
    rank()
  }

  /// Puts a head's scores in the place of the mean's.
  /// - Parameter scores: of all pairs, image by image.
  public mutating func rescore(_ scores: [Double], head: String) {
    self.head = head
    self.scores = images.indices.map { Array(scores[$0 * texts.count..<($0 + 1) * texts.count]) }
    rank()
  }

  private mutating func rank() {
    bestText = images.indices.map { MatchingResult.best(eligible($0)) }
    bestImage = texts.indices.map { text in
      MatchingResult.best(images.indices.map { scores[$0][text] })
    }
  }

  /// An image's scores by text; those that were given up are not numbers.
  private func eligible(_ image: Int) -> [Double] {
    texts.indices.map { adaptive?.alive[image][$0] ?? true ? scores[image][$0] : .nan }
  }

  /// A score that is not a number is never the best one.
  private static func best(_ values: [Double]) -> Int {
    let ranked = values.map { $0.isNaN ? -.infinity : $0 }
    return ranked.indices.max { (ranked[$0], -$0) < (ranked[$1], -$1) } ?? 0
  }

  /// Images whose best score is shared by several texts.
  public var tiedImages: [Int] {
    images.indices.filter { image in
      let eligible = eligible(image).filter { !$0.isNaN }
      guard let best = eligible.max() else { return false }
      return eligible.filter { $0 == best }.count > 1
    }
  }

  /// Whether a score is infinite or not a number.
  public var hasUnusableScores: Bool { !scores.joined().allSatisfy(\.isFinite) }

  /// One JSON object, keys sorted.
  public func json() throws -> String { try JSONText.encode(self) }
}
