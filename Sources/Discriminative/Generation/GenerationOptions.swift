import Diffusion

/// How images are made of captions.
public struct GenerationOptions: Sendable {
  /// Nil: the one nearest to the checkpoint's scheduler.
  public var sampler: SamplerKind?
  /// How often the model is asked, twice each time with guidance.
  public var steps = 30
  /// The scale s of classifier-free guidance, out(∅) + s · (out(c) − out(∅)) (arXiv 2207.12598); 1 or less is
  /// none, and the unconditional pass is left out.
  public var guidance: Float = 7.5
  /// What guidance leads away from. Nil: from the empty caption, or from zeros where the checkpoint says so.
  public var negative: String?
  /// In pixels; nil is the model's own size.
  public var size: (width: Int, height: Int)?
  /// Bytes for values held between passes.
  public var memoryBudget = 4 << 30

  public init() {}

  var isGuided: Bool { guidance > 1 }
}
