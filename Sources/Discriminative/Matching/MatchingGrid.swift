import Interpreter

/// What the indices of a matching job's positions stand for.
public struct MatchingGrid: Sendable {
  /// Names of the images, by image index.
  public let images: [String]
  /// By text index; the empty caption that the job adds comes last.
  public let captions: [CaptionTokens]
  /// Timesteps by timestep index.
  public let timesteps: [Int]
  /// The text index of the empty caption that the job adds, if it does.
  public let emptyCaption: Int?
  /// The image index at which the latent is zero, if there is one.
  public let pureNoise: Int?

  init(
    _ options: MatchingOptions, _ tokenizers: PipelineTokenizers, images: [String], texts: [String],
    timesteps: [Int]
  ) {
    self.images = images
    self.timesteps = timesteps
    captions = (texts + (options.needsEmptyCaption ? [""] : [])).map { tokenizers.tokens($0) }
    emptyCaption = options.needsEmptyCaption ? texts.count : nil
    pureNoise = options.needsPureNoise ? images.count : nil
  }

  /// The captions that were asked for.
  public var texts: ArraySlice<CaptionTokens> { captions[..<(emptyCaption ?? captions.count)] }
}

/// A hook that has to know what the positions of a matching job stand for.
public protocol MatchingHook: Hook {
  /// Called before planning, and again before each further job of the same `MatchingSetup`. A setup that is planned
  /// ahead of its jobs hands over a grid without images and captions first.
  func willMatch(_ grid: MatchingGrid) throws
}
