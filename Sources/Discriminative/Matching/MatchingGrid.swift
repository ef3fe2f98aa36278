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

  /// The captions that were asked for.
  public var texts: ArraySlice<CaptionTokens> { captions[..<(emptyCaption ?? captions.count)] }
}

/// A hook that has to know what the positions of a matching job stand for.
public protocol MatchingHook: Hook {
  /// Called once, before planning.
  func willMatch(_ grid: MatchingGrid) throws
}
