/// What a request may ask for at most.
public struct PlaygroundLimits: Sendable, Encodable {
  /// Bytes of a request, its images in base64 included.
  public var uploadBytes = 32_000_000
  /// Pixels of an image's longer side.
  public var imageSide = 4096
  public var images = 32
  public var texts = 128
  /// Noise levels.
  public var timesteps = 100
  /// Numbers in all the maps of an answer.
  public var mapValues = 4_000_000
  /// Requests that wait for others.
  public var waiting = 64

  public init() {}

  enum CodingKeys: String, CodingKey {
    case images, texts, timesteps, waiting
    case uploadBytes = "upload_bytes"
    case imageSide = "image_side"
    case mapValues = "map_values"
  }
}
