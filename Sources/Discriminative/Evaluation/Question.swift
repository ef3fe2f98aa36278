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

  /// The questions of an item in a direction; see `EvaluationItem.alternatives`.
  /// - Parameter scores: `[image][text]`, each wording of a caption by itself.
  public static func ask(
    _ item: EvaluationItem, _ scores: [[Double]], _ direction: Direction
  ) -> [Question] {
    let scores =
      item.wordings == 1
      ? scores
      : scores.map { row in
        (0..<item.captions).map { caption in
          row[caption * item.wordings..<(caption + 1) * item.wordings].reduce(0, +) / Double(item.wordings)
        }
      }
    return item.alternatives(direction).map { pairs in
      let scores = pairs.map { scores[$0.image][$0.text] }
      return Question(direction, right: scores[0], wrong: Array(scores.dropFirst()))
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

extension EvaluationItem {
  /// What each question in a direction has to choose from, the right pair first: one question for each right pair
  /// that has a wrong alternative. Other right pairs are no alternatives.
  public func alternatives(_ direction: Question.Direction) -> [[Pair]] {
    let right = Set(right)
    return self.right.compactMap { pair in
      let others =
        switch direction {
        case .captionsForImage: (0..<captions).map { Pair(image: pair.image, text: $0) }
        case .imagesForCaption: images.indices.map { Pair(image: $0, text: pair.text) }
        }
      let wrong = others.filter { !right.contains($0) }
      return wrong.isEmpty ? nil : [pair] + wrong
    }
  }
}
