/// Accuracies of score choices on the items of each task.
public struct EvaluationTable: Sendable, Encodable {
  /// Items of one task or of one category of it, those held out apart.
  public struct Group: Sendable, Encodable {
    public let task: String
    /// Nil for the whole task.
    public let category: String?
    public let isHeldOut: Bool
    public let items: Int
    /// For each direction that has questions.
    public let directions: [Section]
    /// For each score choice, how often all questions of an item in both directions are answered right; nil where items
    /// have questions in one direction only. For two images and two captions it is Winoground's group score.
    public let group: [Bootstrap.Proportion?]?

    enum CodingKeys: String, CodingKey {
      case task, category, items, directions, group
      case isHeldOut = "held_out"
    }
  }

  /// The questions of a group in one direction.
  public struct Section: Sendable, Encodable {
    public let direction: String
    public let questions: Int
    /// The smallest and the largest number of choices.
    public let choices: [Int]
    /// The accuracy of guessing.
    public let chance: Double
    /// One for each score choice, in their order; nil where the choice means nothing for some item.
    public let results: [Result?]
  }

  /// What one score choice makes of a section's questions.
  public struct Result: Sendable, Encodable {
    /// How often the right one is above all others (recall at 1), with its 95 % interval.
    public let accuracy: Bootstrap.Proportion
    /// How often it is among the first five, where questions have more than five choices.
    public let recallAt5: Bootstrap.Proportion?
    /// How often all questions of an item in this direction are answered right, where items have several. For two images
    /// and two captions it is Winoground's text or image score.
    public let allRight: Bootstrap.Proportion?
    /// Questions whose right choice shares the best score with a wrong one; they count as wrong.
    public let ties: Int
    /// Questions with a score that is not a number.
    public let unusable: Int

    enum CodingKeys: String, CodingKey {
      case accuracy, ties, unusable
      case recallAt5 = "recall_at_5"
      case allRight = "all_right"
    }
  }

  public let choices: [ScoreChoice]
  public let groups: [Group]

  /// Asks every item's questions.
  /// - Parameters:
  ///   - items: with their terms.
  ///   - headCounts: how many attention heads each layer has, where heads read them.
  /// - Throws: `DataError` when a head cannot score.
  public init(
    _ items: [(item: EvaluationItem, terms: MatchingTerms)], choices: [ScoreChoice], headCounts: [Int] = []
  ) throws {
    self.choices = choices
    var order: [Key] = []
    var members: [Key: [Int]] = [:]
    for (place, (item, _)) in items.enumerated() {
      let key = Key(task: item.task, isHeldOut: item.isHeldOut)
      if members[key] == nil { order.append(key) }
      members[key, default: []].append(place)
    }
    // A task's held-out items follow its others, and its categories the whole of it.
    var tasks: [String] = []
    for key in order where !tasks.contains(key.task) { tasks.append(key.task) }
    let keys = tasks.flatMap { task in [false, true].map { Key(task: task, isHeldOut: $0) } }
    groups = try keys.flatMap { key -> [Group] in
      guard let places = members[key] else { return [] }
      // `[choice][item]`; nil for a choice that means nothing there.
      let scores = try choices.map { choice in
        try places.map { try choice.scores(items[$0].terms, headCounts: headCounts) }
      }
      func group(_ category: String?, _ positions: [Int]) -> Group {
        EvaluationTable.group(
          key, category, positions.map { items[places[$0]].item },
          scores.map { list in positions.map { list[$0] } })
      }
      var categories: [String] = []
      var positionsOf: [String: [Int]] = [:]
      for (position, place) in places.enumerated() {
        guard let category = items[place].item.category else { continue }
        if positionsOf[category] == nil { categories.append(category) }
        positionsOf[category, default: []].append(position)
      }
      let parts = categories.map { group($0, positionsOf[$0]!) }
      return [group(nil, Array(places.indices))] + parts
    }
  }

  private struct Key: Hashable {
    let task: String
    let isHeldOut: Bool
  }

  /// - Parameter scored: the scores of each choice, by item: `[choice][item][image][text]`.
  private static func group(
    _ key: Key, _ category: String?, _ items: [EvaluationItem], _ scored: [[[[Double]]?]]
  ) -> Group {
    // Each direction's questions, `[direction][choice][item]`; nil for a choice that means nothing somewhere.
    let asked = Question.Direction.allCases.map { direction in
      scored.map { list -> [[Question]]? in
        list.contains { $0 == nil }
          ? nil : zip(items, list).map { Question.ask($0, $1!, direction) }
      }
    }
    let directions = zip(Question.Direction.allCases, asked).compactMap { EvaluationTable.section($0, $1) }
    var group: [Bootstrap.Proportion?]?
    if directions.count == Question.Direction.allCases.count {
      group = EvaluationTable.wholeItems(
        scored.indices.map { choice in
          let lists = asked.map { $0[choice] }
          guard lists.allSatisfy({ $0 != nil }) else { return nil }
          return items.indices.map { item in lists.flatMap { $0![item] } }
        })
    }
    return Group(
      task: key.task, category: category, isHeldOut: key.isHeldOut, items: items.count,
      directions: directions,
      group: group)
  }

  /// How often all of an item's questions are answered right; nil for a choice that means nothing.
  private static func wholeItems(_ asked: [[[Question]]?]) -> [Bootstrap.Proportion?] {
    let proportions = Bootstrap.proportions(
      asked.compactMap { list in
        list.map { items in
          items.filter { !$0.isEmpty }.map { Bootstrap.Count($0.allSatisfy { $0.rank == 1 } ? 1 : 0, of: 1) }
        }
      })
    var place = 0
    return asked.map { list in
      guard list != nil, !proportions.isEmpty else { return nil }
      defer { place += 1 }
      return proportions[place]
    }
  }

  private static func section(_ direction: Question.Direction, _ asked: [[[Question]]?]) -> Section? {
    guard let any = asked.lazy.compactMap({ $0 }).first else { return nil }
    let questions = any.joined()
    guard !questions.isEmpty else { return nil }
    let sizes = questions.map(\.choices)
    let hasMany = sizes.max()! > 5
    let known = asked.compactMap { $0 }
    let accuracies = Bootstrap.proportions(known.map { counts($0, within: 1) })
    let recalls = hasMany ? Bootstrap.proportions(known.map { counts($0, within: 5) }) : []
    let whole = any.contains { $0.count > 1 } ? wholeItems(known) : []
    var place = 0
    let results = asked.map { list -> Result? in
      guard let list else { return nil }
      defer { place += 1 }
      return Result(
        accuracy: accuracies[place], recallAt5: hasMany ? recalls[place] : nil,
        allRight: whole.isEmpty ? nil : whole[place],
        ties: list.joined().count { $0.isTie }, unusable: list.joined().count { $0.isUnusable })
    }
    return Section(
      direction: direction.rawValue, questions: questions.count, choices: [sizes.min()!, sizes.max()!],
      chance: sizes.reduce(0) { $0 + 1 / Double($1) } / Double(sizes.count), results: results)
  }

  /// Successes by item; items that ask nothing are left out.
  private static func counts(_ items: [[Question]], within rank: Int) -> [Bootstrap.Count] {
    items.filter { !$0.isEmpty }.map { list in
      Bootstrap.Count(list.count { $0.rank <= rank }, of: list.count)
    }
  }
}

extension ScoreChoice: Encodable {
  enum CodingKeys: String, CodingKey {
    case term, pooling, positions, normalize, layers, head
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(terms.rawValue, forKey: .term)
    if let head {
      try container.encode(head.head.name, forKey: .head)
      try container.encodeIfPresent(layers?.name, forKey: .layers)
    }
    guard let variant, let layers else { return }
    try container.encode(variant.variant.pooling.rawValue, forKey: .pooling)
    try container.encode(variant.variant.positions.rawValue, forKey: .positions)
    try container.encode(variant.normalize.rawValue, forKey: .normalize)
    try container.encode(layers.name, forKey: .layers)
  }
}
