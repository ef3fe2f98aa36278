import ONNXWire

/// What a model says about an item's images and texts, before anything is averaged: enough to compute any score
/// without running the model again.
public struct MatchingTerms: Sendable, Equatable {
  /// Extents: images, texts, timesteps and cross-attention layers.
  public let images, texts, timesteps, layers: Int
  /// ‖ε − ε̂‖₂, `[image][text, the empty caption last][timestep]`; nil when the bias was not asked for.
  public var errors: TermGrid?
  /// s_l by variant, `[image][text][timestep][layer]`.
  public var attention: [AttentionVariant: TermGrid] = [:]
  /// s_l of the empty caption by variant, `[image][text][timestep][layer]`: read at the positions of each text,
  /// or with one row of texts where all positions are read. Empty when the empty caption was not run.
  public var emptyCaption: [AttentionVariant: TermGrid] = [:]
  /// s_l for a latent of zeros by variant, `[1][text][timestep][layer]`; with the official code's habits already
  /// the mean with the empty caption's. Empty when it was not run.
  public var pureNoise: [AttentionVariant: TermGrid] = [:]
  /// Each attention head's mean log-sum-exp, `[image][text][timestep][head]`, layer after layer; nil when no head
  /// reads them.
  public var heads: TermGrid?
  /// Values of the pipeline that heads read; never in a file.
  public var values: [String: KeptValue] = [:]

  public init(images: Int, texts: Int, timesteps: Int, layers: Int) {
    self.images = images
    self.texts = texts
    self.timesteps = timesteps
    self.layers = layers
  }

  /// The extents of a variant's grid of the empty caption.
  func emptyExtents(_ variant: AttentionVariant) -> [Int] {
    [images, variant.positions == .all ? 1 : texts, timesteps, layers]
  }

  // MARK: JSON

  /// Appends the grids as members of a JSON object, the first without a comma in front.
  func write(to text: inout [UInt8]) {
    var isFirst = true
    func member(_ name: String, _ body: (inout [UInt8]) -> Void) {
      text += "\(isFirst ? "" : ",")\"\(name)\":".utf8
      isFirst = false
      body(&text)
    }
    if let errors { member("error") { errors.write(to: &$0) } }
    if let heads { member("heads") { heads.write(to: &$0) } }
    for (name, grids) in [
      ("attention", attention), ("empty_caption", emptyCaption), ("pure_noise", pureNoise),
    ]
    where !grids.isEmpty {
      member(name) { text in
        text.append(UInt8(ascii: "{"))
        for (place, variant) in grids.keys.sorted(by: { $0.description < $1.description }).enumerated() {
          text += "\(place > 0 ? "," : "")\"\(variant)\":".utf8
          grids[variant]!.write(to: &text)
        }
        text.append(UInt8(ascii: "}"))
      }
    }
  }

  /// Reads what `write` has written; nil when something is missing or of other extents.
  init?(
    _ values: [String: JSON], images: Int, texts: Int, timesteps: Int, layers: Int, _ shape: TermShape,
    heads: Int? = nil
  ) {
    self.init(images: images, texts: texts, timesteps: timesteps, layers: layers)
    if shape.hasErrors {
      guard let json = values["error"], let grid = TermGrid(json, [images, texts + 1, timesteps])
      else { return nil }
      errors = grid
    }
    if let heads {
      guard let json = values["heads"], let grid = TermGrid(json, [images, texts, timesteps, heads])
      else { return nil }
      self.heads = grid
    }
    func grids(
      _ name: String, _ extents: (AttentionVariant) -> [Int]
    ) -> [AttentionVariant: TermGrid]? {
      guard case .object(let members)? = values[name] else { return nil }
      var result: [AttentionVariant: TermGrid] = [:]
      for variant in shape.variants {
        guard let json = members[variant.description], let grid = TermGrid(json, extents(variant))
        else { return nil }
        result[variant] = grid
      }
      return result
    }
    guard !shape.variants.isEmpty else { return }
    guard let attention = grids("attention", { _ in [images, texts, timesteps, layers] }) else { return nil }
    self.attention = attention
    if shape.hasEmptyCaption {
      guard let found = grids("empty_caption", emptyExtents) else { return nil }
      emptyCaption = found
    }
    if shape.hasPureNoise {
      guard let found = grids("pure_noise", { _ in [1, texts, timesteps, layers] }) else { return nil }
      pureNoise = found
    }
  }
}

/// Which terms an evaluation computes for every item.
public struct TermShape: Sendable, Equatable {
  /// Empty when the attention term is not asked for.
  public var variants: [AttentionVariant]
  public var hasErrors: Bool
  public var hasEmptyCaption: Bool
  public var hasPureNoise: Bool
  public var hasHeads = false
  /// Values of the pipeline to keep.
  public var values: [String] = []
}

/// A value of the pipeline for all pairs of an item, `[pairs, timesteps, …]`.
public struct KeptValue: Sendable, Equatable {
  public let tensor: Tensor

  public static func == (a: KeptValue, b: KeptValue) -> Bool { a.tensor.isIdentical(to: b.tensor) }
}
