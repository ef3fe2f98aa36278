import TensorCore

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
