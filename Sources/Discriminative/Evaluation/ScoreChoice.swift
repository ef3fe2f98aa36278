/// One way to turn terms into scores: which terms, and how the attention term is read. A row of the table.
public struct ScoreChoice: Sendable, Equatable {
  /// Layers under a name.
  public struct Layers: Sendable, Equatable {
    public var name: String
    /// Places among the layers of the terms.
    public var indices: [Int]

    public init(name: String, indices: [Int]) {
      self.name = name
      self.indices = indices
    }
  }

  public var terms: MatchingOptions.Terms
  /// Nil for the bias alone; likewise `layers`.
  public var variant: NormalizedVariant?
  public var layers: Layers?
  /// Averages the attention term with the empty caption's, as the official code does.
  public var officialCompat: Bool
  /// What makes scores of the terms, where it is not their mean.
  public var head: HeadRunner?

  public init(
    terms: MatchingOptions.Terms, variant: NormalizedVariant? = nil, layers: Layers? = nil,
    officialCompat: Bool = false, head: HeadRunner? = nil
  ) {
    self.head = head
    self.terms = terms
    self.variant = variant
    self.layers = layers
    self.officialCompat = officialCompat
  }

  /// The scores `[image][text]`: means over the timesteps, computed in the order of a matching job. Nil when they
  /// would mean nothing: relative to an item's images where it has one.
  /// - Parameter headCounts: how many attention heads each layer has, where a head reads them.
  /// - Throws: `DataError` when the head cannot score.
  public func scores(_ values: MatchingTerms, headCounts: [Int] = []) throws -> [[Double]]? {
    if let head {
      let scores = try head.scores(headTerms(values, headCounts: headCounts))
      return (0..<values.images).map { Array(scores[$0 * values.texts..<($0 + 1) * values.texts]) }
    }
    if variant?.normalize == .images, values.images < 2 { return nil }
    let attention = variant.map { attentionTerm(values, $0) }
    let errors = terms == .attention ? nil : values.errors
    func score(_ image: Int, _ text: Int) -> Double {
      var score = 0.0
      if let attention {
        score += ScoreChoice.mean(values.timesteps) { attention[image, text, $0] }
      }
      if let errors {
        score += ScoreChoice.mean(values.timesteps) {
          errors[image, values.texts, $0] - errors[image, text, $0]
        }
      }
      return score
    }
    return (0..<values.images).map { image in (0..<values.texts).map { score(image, $0) } }
  }

  /// What the row's head reads.
  func headTerms(_ values: MatchingTerms, headCounts: [Int]) -> HeadTerms {
    HeadTerms(
      values, layers: layers?.indices ?? [], headCounts: headCounts, officialCompat: officialCompat)
  }

  /// The attention term `[image][text][timestep]`.
  func attentionTerm(_ terms: MatchingTerms, _ choice: NormalizedVariant) -> TermGrid {
    let layers = layers?.indices ?? []
    func read(_ grids: [AttentionVariant: TermGrid], _ image: Int, _ text: Int, _ step: Int) -> Double {
      let grid = grids[choice.variant]!
      let start = grid.offset(image, grid.extents[1] == 1 ? 0 : text, step, 0)
      return layers.reduce(0) { $0 + grid.values[start + $1] } / Double(layers.count)
    }
    var result = TermGrid([terms.images, terms.texts, terms.timesteps])
    for image in 0..<terms.images {
      for text in 0..<terms.texts {
        for step in 0..<terms.timesteps {
          let own = read(terms.attention, image, text, step)
          result[image, text, step] =
            officialCompat ? (own + read(terms.emptyCaption, image, text, step)) / 2 : own
        }
      }
    }
    guard choice.normalize != .none else { return result }
    for text in 0..<terms.texts {
      for step in 0..<terms.timesteps {
        var sum = 0.0
        for image in 0..<terms.images { sum += result[image, text, step] }
        let mean = sum / Double(terms.images)
        for image in 0..<terms.images {
          switch choice.normalize {
          case .none: break
          case .emptyCaption: result[image, text, step] -= read(terms.emptyCaption, image, text, step)
          case .noise: result[image, text, step] -= read(terms.pureNoise, 0, text, step)
          case .images: result[image, text, step] -= mean
          }
        }
      }
    }
    return result
  }

  private static func mean(_ count: Int, _ value: (Int) -> Double) -> Double {
    var sum = 0.0
    for index in 0..<count { sum += value(index) }
    return sum / Double(Swift.max(count, 1))
  }
}
