/// One item of a matching benchmark: images, captions, and which of them belong together.
public struct EvaluationItem: Sendable, Equatable {
  /// An image and a text that belong together, by their places in the item.
  public struct Pair: Sendable, Hashable {
    public let image, text: Int

    public init(image: Int, text: Int) {
      self.image = image
      self.text = text
    }
  }

  public var id: String
  /// Items are reported by task.
  public var task: String
  public var images: [ImageReference]
  public var texts: [String]
  public var right: [Pair]
  /// Held out from what a model was trained on; reported apart.
  public var isHeldOut: Bool
  /// Where the item stands, for messages: `FILE:LINE`.
  public var place: String

  public init(
    id: String, task: String, images: [ImageReference], texts: [String], right: [Pair],
    isHeldOut: Bool = false, place: String = ""
  ) {
    self.id = id
    self.task = task
    self.images = images
    self.texts = texts
    self.right = right
    self.isHeldOut = isHeldOut
    self.place = place
  }
}
