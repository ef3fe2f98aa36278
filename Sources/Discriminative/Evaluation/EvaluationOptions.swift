/// What an evaluation computes and shows.
public struct EvaluationOptions: Sendable {
  /// Timesteps, noise, latent, terms and memory; layers, pooling, positions and normalization play no part.
  public var matching = MatchingOptions()
  /// Ways to read the attention term.
  public var variants: [NormalizedVariant] = [.logsumexp, .max, .mean, .cosine].map {
    NormalizedVariant(AttentionVariant($0))
  }
  /// Layers to average over, each with its name in the table.
  public var layers: [(name: String, selection: LayerSelection)] = [("official", .official), ("all", .all)]
  /// Threads to compute with.
  public var threads = 1

  public init() {}

  /// The terms that the items need.
  var shape: TermShape {
    let hasAttention = matching.terms != .bias
    var variants: [AttentionVariant] = []
    for choice in self.variants where hasAttention && !variants.contains(choice.variant) {
      variants.append(choice.variant)
    }
    func has(_ kind: Normalization) -> Bool {
      hasAttention && self.variants.contains { $0.normalize == kind }
    }
    return TermShape(
      variants: variants, hasErrors: matching.terms != .attention,
      hasEmptyCaption: matching.terms != .attention || matching.officialCompat || has(.emptyCaption),
      hasPureNoise: has(.noise))
  }

  /// The table's rows: the bias, then the attention term in each way, then both together in each way.
  /// - Parameter layers: names of the cross-attention layers.
  /// - Throws: `DataError` when a selection selects nothing.
  func choices(layers names: [String]) throws -> [ScoreChoice] {
    let cross = names.map { AttentionLayer(name: $0, role: .cross, node: $0) }
    var rows: [ScoreChoice] = []
    if matching.terms != .attention { rows.append(ScoreChoice(terms: .bias)) }
    guard matching.terms != .bias else { return rows }
    let selected = try layers.map { name, selection in
      let chosen = Set(try selection.select(from: cross).map(\.name))
      return ScoreChoice.Layers(name: name, indices: names.indices.filter { chosen.contains(names[$0]) })
    }
    for terms in matching.terms == .both ? [MatchingOptions.Terms.attention, .both] : [.attention] {
      for variant in variants {
        for layers in selected {
          rows.append(
            ScoreChoice(
              terms: terms, variant: variant, layers: layers, officialCompat: matching.officialCompat))
        }
      }
    }
    return rows
  }
}
