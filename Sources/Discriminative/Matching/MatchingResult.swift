import Foundation

/// Scores of images against texts, `[image][text]`, and what they are made of.
public struct MatchingResult: Sendable, Encodable {
  public struct PerTimestep: Sendable, Encodable {
    /// `[image][text][timestep]`
    public var attention: [[[Double]]]?
    public var bias: [[[Double]]]?
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
  /// The index of the best text for each image; of equal scores the first.
  public var bestText: [Int]
  /// The index of the best image for each text.
  public var bestImage: [Int]

  enum CodingKeys: String, CodingKey {
    case images, texts, timesteps, layers, pooling, positions, normalize, head, scores, attention, bias
    case perTimestep = "per_timestep"
    case bestText = "best_text"
    case bestImage = "best_image"
  }

  /// - Parameters:
  ///   - attention: `[image][text][timestep]`
  ///   - bias: likewise
  init(
    images: [String], texts: [String], timesteps: [Int], layers: [String], options: MatchingOptions,
    attention: [[[Double]]]?, bias: [[[Double]]]?
  ) {
    self.images = images
    self.texts = texts
    self.timesteps = timesteps
    self.layers = layers
    pooling = options.pooling.rawValue
    positions = options.positions.rawValue
    normalize = options.normalize.rawValue
    perTimestep = PerTimestep(attention: attention, bias: bias)
    func means(_ term: [[[Double]]]?) -> [[Double]]? {
      term?.map { $0.map { $0.reduce(0, +) / Double(max($0.count, 1)) } }
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
    bestText = images.indices.map { MatchingResult.best(scores[$0]) }
    bestImage = texts.indices.map { text in
      MatchingResult.best(images.indices.map { scores[$0][text] })
    }
  }

  /// A score that is not a number is never the best one.
  private static func best(_ values: [Double]) -> Int {
    let ranked = values.map { $0.isNaN ? -.infinity : $0 }
    return ranked.indices.max { (ranked[$0], -$0) < (ranked[$1], -$1) } ?? 0
  }

  /// Images whose best score is shared by several texts.
  public var tiedImages: [Int] {
    images.indices.filter { image in
      guard let best = scores[image].max() else { return false }
      return scores[image].filter { $0 == best }.count > 1
    }
  }

  /// Whether a score is infinite or not a number.
  public var hasUnusableScores: Bool { !scores.joined().allSatisfy(\.isFinite) }

  /// One JSON object, keys sorted.
  public func json() throws -> String { try JSONText.encode(self) }
}
