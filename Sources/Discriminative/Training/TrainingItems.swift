/// Which items of a file are learned from, and which are held back to measure by.
public enum TrainingItems {
  /// The first items of each task in an order that the seed decides, `shots` at most; items that are marked as held out
  /// are none of them. What is left keeps the file's order.
  public static func shots(_ shots: Int?, of items: [EvaluationItem], seed: UInt64) -> [EvaluationItem] {
    let open = items.filter { !$0.isHeldOut }
    guard let shots else { return open }
    let chosen = chosen(open, seed, stream: .shots) { _ in shots }
    return open.enumerated().filter { chosen.contains($0.offset) }.map(\.element)
  }

  /// A share of each task's items, drawn by the seed, and the rest; both in the file's order.
  public static func split(
    _ items: [EvaluationItem], share: Double, seed: UInt64
  ) -> (rest: [EvaluationItem], share: [EvaluationItem]) {
    let chosen = chosen(items, seed, stream: .split) { Int((Double($0) * share).rounded()) }
    let parts = items.enumerated().map { (item: $1, isChosen: chosen.contains($0)) }
    return (parts.filter { !$0.isChosen }.map(\.item), parts.filter(\.isChosen).map(\.item))
  }

  /// Places of as many items of each task as `count` says for their number.
  private static func chosen(
    _ items: [EvaluationItem], _ seed: UInt64, stream: SplitMix64.Stream, _ count: (Int) -> Int
  ) -> Set<Int> {
    var places: [String: [Int]] = [:]
    var tasks: [String] = []
    for (place, item) in items.enumerated() {
      if places[item.task] == nil { tasks.append(item.task) }
      places[item.task, default: []].append(place)
    }
    var result: Set<Int> = []
    for (number, task) in tasks.enumerated() {
      var random = SplitMix64(seed, stream: stream, number)
      let own = places[task]!
      result.formUnion(random.order(own.count).prefix(count(own.count)).map { own[$0] })
    }
    return result
  }

  /// A digest of what can be learned from some examples: pixels, captions, and which are right.
  /// - Throws: `DataError` that names the item whose image cannot be read.
  public static func digest(_ examples: [TrainingExample], _ images: ImageSource) throws -> String {
    var hash = SHA256()
    hash.update(examples.count)
    for example in examples {
      hash.update(example.item.task)
      hash.update(example.direction.rawValue)
      hash.update(example.pairs.count)
      for (image, text) in example.candidates {
        do { try images.hash(image, into: &hash) } catch let error as DataError {
          throw error.at(example.item.place)
        }
        hash.update(text)
      }
    }
    return hash.hex
  }
}
