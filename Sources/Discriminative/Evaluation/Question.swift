/// One question that an item asks of scores: is the right one above all wrong ones?
public struct Question: Sendable, Equatable {
  public enum Direction: String, Sendable, CaseIterable {
    case captionsForImage = "captions for an image"
    case imagesForCaption = "images for a caption"
  }

  public let direction: Direction
  /// Alternatives, the right one included.
  public let choices: Int
  /// 1 when the right one is above every wrong one; a wrong one with the same score stands before it.
  public let rank: Int
  /// Whether the right one shares the best score with a wrong one.
  public let isTie: Bool
  /// Whether a score was not a number. Such scores never count for the right one.
  public let isUnusable: Bool

  /// The questions of an item in a direction: one for each right pair that has a wrong alternative. Other right
  /// pairs are no alternatives.
  /// - Parameter scores: `[image][text]`
  public static func ask(
    _ item: EvaluationItem, _ scores: [[Double]], _ direction: Direction
  ) -> [Question] {
    let right = Set(item.right)
    return item.right.compactMap { pair in
      let wrong: [Double]
      switch direction {
      case .captionsForImage:
        wrong = item.texts.indices.filter { !right.contains(.init(image: pair.image, text: $0)) }
          .map { scores[pair.image][$0] }
      case .imagesForCaption:
        wrong = item.images.indices.filter { !right.contains(.init(image: $0, text: pair.text)) }
          .map { scores[$0][pair.text] }
      }
      return wrong.isEmpty ? nil : Question(direction, right: scores[pair.image][pair.text], wrong: wrong)
    }
  }

  init(_ direction: Direction, right: Double, wrong: [Double]) {
    self.direction = direction
    choices = wrong.count + 1
    // Not "≥", which nothing that is not a number would be.
    rank = 1 + wrong.count { !(right > $0) }
    isTie = wrong.contains(right) && !wrong.contains { $0 > right }
    isUnusable = right.isNaN || wrong.contains { $0.isNaN }
  }
}
