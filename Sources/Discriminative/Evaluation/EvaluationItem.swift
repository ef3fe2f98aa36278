/// One item of a matching benchmark: images, captions, and which of them belong together.
public struct EvaluationItem: Sendable, Equatable {
  /// An image and a caption that belong together, by their places in the item.
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
  /// The part of the task that the item belongs to, reported beside the whole of it.
  public var category: String?
  public var images: [ImageReference]
  public var texts: [String]
  /// How many texts in a row are wordings of one caption: its score is the mean of theirs.
  public var wordings: Int
  /// Images with their captions.
  public var right: [Pair]
  /// Held out from what a model was trained on; reported apart.
  public var isHeldOut: Bool
  /// Where the item stands, for messages: `FILE:LINE`.
  public var place: String

  public init(
    id: String, task: String, category: String? = nil, images: [ImageReference], texts: [String],
    right: [Pair],
    wordings: Int = 1, isHeldOut: Bool = false, place: String = ""
  ) {
    self.id = id
    self.task = task
    self.category = category
    self.images = images
    self.texts = texts
    self.wordings = wordings
    self.right = right
    self.isHeldOut = isHeldOut
    self.place = place
  }

  /// How many captions there are, whatever the number of their wordings.
  public var captions: Int { texts.count / wordings }
}
