/// One question of an item to learn from: candidates of which the first is the right one.
public struct TrainingExample: Sendable, Equatable {
  public let item: EvaluationItem
  /// The place of the item in the list that the example was made of.
  public let itemIndex: Int
  public let direction: Question.Direction
  /// The candidates by their places in the item, the right one first; at least two.
  public let pairs: [EvaluationItem.Pair]

  public init(
    item: EvaluationItem, itemIndex: Int, direction: Question.Direction, pairs: [EvaluationItem.Pair]
  ) {
    self.item = item
    self.itemIndex = itemIndex
    self.direction = direction
    self.pairs = pairs
  }

  /// The candidates themselves, the right one first.
  public var candidates: [(image: ImageReference, text: String)] {
    pairs.map { (item.images[$0.image], item.texts[$0.text]) }
  }

  /// Every question of some items in some directions, item by item.
  /// - Parameter first: the place of the first item, where the items are part of a longer list.
  public static func all(
    of items: [EvaluationItem], directions: [Question.Direction] = Question.Direction.allCases, first: Int = 0
  ) -> [TrainingExample] {
    items.enumerated().flatMap { place, item in
      directions.flatMap { direction in
        item.alternatives(direction).map {
          TrainingExample(item: item, itemIndex: first + place, direction: direction, pairs: $0)
        }
      }
    }
  }
}
