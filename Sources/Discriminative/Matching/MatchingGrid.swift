import Diffusion
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

  /// Extents of the latent.
  public let latentHeight, latentWidth: Int

  init(
    _ options: MatchingOptions, _ tokenizers: PipelineTokenizers, _ description: PipelineDescription,
    images: [String], texts: [String], timesteps: [Int]
  ) {
    let latentSize = description.imageSize / description.latentDownscale
    self.init(
      images: images,
      captions: (texts + (options.needsEmptyCaption ? [""] : [])).map { tokenizers.tokens($0) },
      timesteps: timesteps, emptyCaption: options.needsEmptyCaption ? texts.count : nil,
      pureNoise: options.needsPureNoise ? images.count : nil, latentHeight: latentSize,
      latentWidth: latentSize)
  }

  /// - Parameter captions: with the empty caption that the job adds, if it does, at the end.
  public init(
    images: [String], captions: [CaptionTokens], timesteps: [Int], emptyCaption: Int? = nil,
    pureNoise: Int? = nil, latentHeight: Int, latentWidth: Int
  ) {
    self.images = images
    self.captions = captions
    self.timesteps = timesteps
    self.emptyCaption = emptyCaption
    self.pureNoise = pureNoise
    self.latentHeight = latentHeight
    self.latentWidth = latentWidth
  }

  /// The rows and columns that a layer's queries make: the latent's grid, made coarser by a whole factor.
  /// - Throws: `DataError` when there is no such factor.
  public func queryGrid(_ queries: Int, _ node: String) throws -> (height: Int, width: Int) {
    for factor in 1...max(latentHeight, latentWidth) {
      let height = (latentHeight + factor - 1) / factor
      let width = (latentWidth + factor - 1) / factor
      if height * width == queries { return (height, width) }
    }
    throw DataError(
      "\(node): \(queries) queries are no grid over a latent of \(latentHeight) × \(latentWidth)")
  }

  /// The captions that were asked for.
  public var texts: ArraySlice<CaptionTokens> { captions[..<(emptyCaption ?? captions.count)] }
}

/// A hook that can read the same nodes of a plan that runs beside the one it was planned with.
protocol TwinHook: MatchingHook {
  func twin() -> Self

  /// Takes over what a twin has read of other images.
  func absorb(_ twin: Self)
}

/// A hook that has to know what the positions of a matching job stand for.
public protocol MatchingHook: Hook {
  /// Called before planning, and again before each further job of the same `MatchingSetup`. A setup that is planned
  /// ahead of its jobs hands over a grid without images and captions first.
  func willMatch(_ grid: MatchingGrid) throws
}
