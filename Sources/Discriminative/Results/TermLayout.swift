/// Which terms an evaluation wants of every item, and how an item's are put together from what passes have left.
struct TermLayout {
  let shape: TermShape
  let officialCompat: Bool
  /// How many noise levels, cross-attention layers, and attention heads of all layers there are.
  let steps, layers, heads: Int
  /// The digest of the empty caption.
  let empty: String

  /// Numbers of one quantity of an item, at most.
  private static let limit = 1 << 28

  /// One pass of an item: the image, or the latent of zeros behind the last, and the caption, or the empty one.
  struct Pass: Hashable {
    let image, text, step: Int
  }

  /// What a pass leaves.
  struct Yield {
    let image, caption: String
    let quantity: Quantity
    /// The caption at whose positions attention is read.
    let positionsOf: Int
  }

  /// What is kept of passes, in words.
  var needs: String {
    var names = shape.hasErrors ? [error.name] : []
    for variant in shape.variants {
      names.append(Quantity.attention(variant).name)
      if shape.hasEmptyCaption, variant.positions != .all {
        names.append(Quantity.emptyCaption(variant).name)
      }
    }
    if shape.hasHeads { names.append(Quantity.heads.name) }
    if shape.hasPureNoise { names.append("the latent of zeros") }
    return names.joined(separator: ", ")
  }

  var error: Quantity { officialCompat ? .rawError : .error }

  /// What a pass of an image and a caption leaves, whatever the noise level.
  /// - Parameters:
  ///   - image: `images.count` for the latent of zeros.
  ///   - text: `captions.count` for the empty caption.
  func yields(_ item: ItemIdentity, image: Int, text: Int) -> [Yield] {
    let isZeros = image == item.images.count
    let digest = isZeros ? ItemIdentities.zeros : item.images[image]
    var found: [Yield] = []
    func add(_ caption: String, _ quantity: Quantity, _ positionsOf: Int) {
      found.append(Yield(image: digest, caption: caption, quantity: quantity, positionsOf: positionsOf))
    }
    if text == item.captions.count {
      if shape.hasErrors, !isZeros { add(empty, error, 0) }
      for variant in shape.variants where shape.hasEmptyCaption {
        if variant.positions == .all {
          add(empty, .attention(variant), 0)
        } else {
          for (place, caption) in item.captions.enumerated() { add(caption, .emptyCaption(variant), place) }
        }
      }
    } else {
      let caption = item.captions[text]
      if shape.hasErrors, !isZeros { add(caption, error, text) }
      for variant in shape.variants { add(caption, .attention(variant), text) }
      if shape.hasHeads, !isZeros { add(caption, .heads, text) }
    }
    return found
  }

  /// All passes of an item.
  func passes(_ item: ItemIdentity) -> [Pass] {
    let texts = item.captions.count
    var result: [Pass] = []
    for image in 0...item.images.count {
      let isZeros = image == item.images.count
      if isZeros, !shape.hasPureNoise { continue }
      for text in 0...texts {
        // Nothing is told relative to the empty caption on zeros but what official-compat averages.
        if text == texts, isZeros ? !officialCompat : !shape.hasEmptyCaption { continue }
        for step in 0..<steps { result.append(Pass(image: image, text: text, step: step)) }
      }
    }
    return result
  }

  /// The passes of an item that have to run.
  func missing(_ item: ItemIdentity, in store: any TermStore) throws -> Set<Pass> {
    var known = PairReader(store)
    return Set(
      try passes(item).filter { pass in
        try !yields(item, image: pass.image, text: pass.text).allSatisfy {
          try known.values($0.image, $0.caption, pass.step, $0.quantity) != nil
        }
      })
  }

  /// The item's terms; nil when some are not known.
  /// - Throws: `DataError` without a place when what is kept is of another extent.
  func terms(_ item: ItemIdentity, in store: any TermStore) throws -> MatchingTerms? {
    var known = PairReader(store)
    let (images, texts) = (item.images.count, item.captions.count)
    guard steps * max(layers, heads, 1) <= TermLayout.limit / max(images * (texts + 1), 1) else {
      throw DataError("an item of \(images) images, \(texts) captions and \(steps) noise levels is too large")
    }
    var result = MatchingTerms(images: images, texts: texts, timesteps: steps, layers: layers)
    var isComplete = true
    func grid(_ extents: [Int], _ row: (Int, Int, Int) throws -> [Double]?) throws -> TermGrid {
      var grid = TermGrid(extents)
      let width = extents.count > 3 ? extents[3] : 1
      var place = 0
      for image in 0..<extents[0] {
        for text in 0..<extents[1] {
          for step in 0..<extents[2] {
            if let values = try row(image, text, step) {
              guard values.count == width else { throw DataError("kept terms are of another extent") }
              for value in values {
                grid.values[place] = value
                place += 1
              }
            } else {
              isComplete = false
              place += width
            }
          }
        }
      }
      return grid
    }
    func emptyRow(_ image: String, _ text: Int, _ step: Int, _ variant: AttentionVariant) throws -> [Double]?
    {
      variant.positions == .all
        ? try known.values(image, empty, step, .attention(variant))
        : try known.values(image, item.captions[text], step, .emptyCaption(variant))
    }
    if shape.hasErrors {
      result.errors = try grid([images, texts + 1, steps]) { image, text, step in
        try known.values(item.images[image], text < texts ? item.captions[text] : empty, step, error)
      }
    }
    if shape.hasHeads {
      result.heads = try grid([images, texts, steps, heads]) { image, text, step in
        try known.values(item.images[image], item.captions[text], step, .heads)
      }
    }
    for variant in shape.variants {
      result.attention[variant] = try grid([images, texts, steps, layers]) { image, text, step in
        try known.values(item.images[image], item.captions[text], step, .attention(variant))
      }
      if shape.hasEmptyCaption {
        result.emptyCaption[variant] = try grid(result.emptyExtents(variant)) { image, text, step in
          try emptyRow(item.images[image], text, step, variant)
        }
      }
      if shape.hasPureNoise {
        result.pureNoise[variant] = try grid([1, texts, steps, layers]) { _, text, step in
          let zeros = ItemIdentities.zeros
          let own = try known.values(zeros, item.captions[text], step, .attention(variant))
          guard officialCompat else { return own }
          guard let own, let other = try emptyRow(zeros, text, step, variant) else { return nil }
          return zip(own, other).map { ($0 + $1) / 2 }
        }
      }
    }
    return isComplete ? result : nil
  }

  /// Asks a store for each pair once.
  private struct PairReader {
    let store: any TermStore
    var pairs: [String: [String: PairTerms]] = [:]

    init(_ store: any TermStore) { self.store = store }

    mutating func values(_ image: String, _ caption: String, _ step: Int, _ quantity: Quantity) throws
      -> [Double]?
    {
      if let known = pairs[image]?[caption] { return known[TermPlace(step: step, quantity: quantity)] }
      let found = try store.terms(image: image, caption: caption)
      pairs[image, default: [:]][caption] = found
      return found[TermPlace(step: step, quantity: quantity)]
    }
  }
}
