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
  /// Heads to score with; their attention is that of `AttentionVariant.head`.
  public var heads: [Head] = []
  /// Threads to compute with.
  public var threads = 1

  public init() {}

  /// Values of the pipeline that heads read.
  var values: [String] {
    heads.flatMap(\.values).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }

  /// The terms that the items need.
  var shape: TermShape {
    let hasAttention = matching.terms != .bias
    var variants: [AttentionVariant] = []
    for choice in self.variants where hasAttention && !variants.contains(choice.variant) {
      variants.append(choice.variant)
    }
    func reads(_ term: Head.Term) -> Bool { heads.contains { $0.reads.contains(term) } }
    if hasAttention, reads(.attention), !variants.contains(.head) { variants.append(.head) }
    func has(_ kind: Normalization) -> Bool {
      hasAttention && self.variants.contains { $0.normalize == kind }
    }
    return TermShape(
      variants: variants, hasErrors: matching.terms != .attention,
      hasEmptyCaption: matching.terms != .attention || matching.officialCompat || has(.emptyCaption),
      hasPureNoise: has(.noise), hasHeads: hasAttention && reads(.heads), values: values)
  }

  /// The table's rows: the bias, then the attention term in each way, then both together in each way, then heads.
  /// - Parameter layers: names of the cross-attention layers.
  /// - Throws: `DataError` when a selection selects nothing, or a head does not fit the run.
  func choices(layers names: [String], timesteps: [Int]) throws -> [ScoreChoice] {
    try plainChoices(layers: names)
      + heads.flatMap { try headChoices($0, layers: names, timesteps: timesteps) }
  }

  /// A row for each selection of layers; one for a head that was trained on layers of its own.
  private func headChoices(
    _ head: Head, layers names: [String], timesteps: [Int]
  ) throws -> [ScoreChoice] {
    let terms = matching.terms ?? .both
    if head.reads.contains(.heads), matching.officialCompat {
      throw DataError(
        "--official-compat: head '\(head.name)' reads attention heads, which it does not average")
    }
    // Without attention there are no layers to select from.
    try head.check(timesteps: timesteps, layers: head.layers ?? [], terms: terms)
    let readsAttention = !head.reads.isDisjoint(with: [.attention, .heads])
    let selections: [ScoreChoice.Layers?]
    if !readsAttention {
      selections = [nil]
    } else if let own = head.layers {
      selections = [.init(name: "its own", indices: own.compactMap { names.firstIndex(of: $0) })]
    } else {
      selections = try selected(names)
    }
    return try selections.map { layers in
      try head.check(timesteps: timesteps, layers: layers?.indices.map { names[$0] } ?? [], terms: terms)
      return ScoreChoice(
        terms: terms, layers: layers, officialCompat: matching.officialCompat, head: HeadRunner(head))
    }
  }

  private func selected(_ names: [String]) throws -> [ScoreChoice.Layers] {
    let cross = names.map { AttentionLayer(name: $0, role: .cross, node: $0) }
    return try layers.map { name, selection in
      let chosen = Set(try selection.select(from: cross).map(\.name))
      return ScoreChoice.Layers(name: name, indices: names.indices.filter { chosen.contains(names[$0]) })
    }
  }

  private func plainChoices(layers names: [String]) throws -> [ScoreChoice] {
    var rows: [ScoreChoice] = []
    if matching.terms != .attention { rows.append(ScoreChoice(terms: .bias)) }
    guard matching.terms != .bias else { return rows }
    let selected = try selected(names)
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
