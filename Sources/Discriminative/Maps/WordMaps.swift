import GraphIR

/// Where in an image each word of a caption draws attention.
public struct WordMaps: Sendable {
  /// The image's name.
  public let image: String
  public let caption: String
  public let words: [CaptionTokens.Word]
  /// One for each word, on the latent's grid.
  let planes: [Plane]
  /// Names of the layers read.
  public let layers: [String]
  public let timesteps: [Int]
  public let positions: TextPositions
  public let relative: AttentionMap.Relative

  /// float32 `[words, height, width]`
  public var tensor: Tensor {
    let values = planes.flatMap { $0.values.map { Float($0) } }
    return Tensor(values, shape: [planes.count, planes[0].height, planes[0].width])
  }

  /// The values that a word's colours go from and to.
  /// - Parameter common: the same for all words. Relative maps begin at 0: no more than what they are told
  ///   relative to.
  func range(of word: Int, common: Bool) -> ClosedRange<Double> {
    let values = (common ? planes.flatMap(\.values) : planes[word].values).filter(\.isFinite)
    let low = relative == .none ? values.min() ?? 0 : 0
    return low...max(values.max() ?? 0, low)
  }
}
