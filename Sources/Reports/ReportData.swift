import Discriminative

/// What a report tells of an evaluation.
public struct ReportData {
  /// What one item says about the row that figures are of.
  public struct Answer {
    public let item: EvaluationItem
    /// What each of its images is found by.
    public let images: [String]
    /// `[image][text]`
    public let scores: [[Double]]
    /// The same of the attention term and of the bias alone; nil where the row has none.
    public let attention, bias: [[Double]]?
    /// The right choice's score less the best wrong one's, for each question.
    public let margins: [Double]

    /// The smallest of the margins: above 0 all questions are answered right.
    public var margin: Double { margins.contains { $0.isNaN } ? .nan : margins.min() ?? .nan }
  }

  /// Accuracies by the number of noise levels used.
  public struct Curve {
    public let name: String
    /// With the first 1, 2, … noise levels.
    public let first: [Bootstrap.Proportion]
    /// With each noise level alone.
    public let alone: [Bootstrap.Proportion]
    public let chance: Double
  }

  /// How often each caption was chosen for the images of each right one.
  public struct Confusion {
    public let task: String
    public let captions: [String]
    /// `[right][chosen]`
    public let counts: [[Int]]
  }

  /// How often the right choice came first, second, … among all.
  public struct Ranks {
    public let task, direction: String
    public let counts: [Int]
  }

  public let evaluation: StoredEvaluation
  public let table: EvaluationTable
  /// The row that figures and items are of.
  public let row: Int
  public let answers: [Answer]
  public let curves: [Curve]
  public let confusions: [Confusion]
  public let ranks: [Ranks]

  /// Captions of a confusion matrix, at most.
  static let confusionLimit = 40

  /// - Parameter row: from 0; the first one of both terms when nil, else the first.
  /// - Throws: `UsageError` when there is no such row.
  public init(_ evaluation: StoredEvaluation, row: Int? = nil) throws {
    self.evaluation = evaluation
    table = try evaluation.table()
    let choices = evaluation.choices
    let row = row ?? choices.firstIndex { $0.terms == .both && $0.head == nil } ?? 0
    guard choices.indices.contains(row) else {
      throw UsageError("--row: \(row + 1) is not between 1 and \(choices.count)")
    }
    self.row = row
    let choice = choices[row]
    func part(_ terms: MatchingOptions.Terms) -> ScoreChoice? {
      guard choice.head == nil, choice.terms == .both || choice.terms == terms else { return nil }
      var part = choice
      part.terms = terms
      if terms == .bias { part.variant = nil }
      return part
    }
    let (attention, bias) = (part(.attention), part(.bias))
    answers = try evaluation.answered.enumerated().compactMap { place, answered in
      let (item, terms) = answered
      guard let scores = try choice.scores(terms, headCounts: evaluation.headCounts) else { return nil }
      return Answer(
        item: item, images: item.images.indices.map { evaluation.imageDigest(item: place, image: $0) },
        scores: scores, attention: try attention?.scores(terms), bias: try bias?.scores(terms),
        margins: ReportData.margins(item, scores))
    }
    curves = try ReportData.curves(evaluation, choice)
    (confusions, ranks) = ReportData.counts(answers)
  }

  /// Averages over wordings.
  static func captionScores(_ item: EvaluationItem, _ scores: [[Double]]) -> [[Double]] {
    scores.map { row in
      (0..<item.captions).map { caption in
        row[caption * item.wordings..<(caption + 1) * item.wordings].reduce(0, +) / Double(item.wordings)
      }
    }
  }

  private static func margins(_ item: EvaluationItem, _ scores: [[Double]]) -> [Double] {
    let scores = captionScores(item, scores)
    return Question.Direction.allCases.flatMap { direction in
      item.alternatives(direction).map { pairs in
        let values = pairs.map { scores[$0.image][$0.text] }
        guard !values.contains(where: { $0.isNaN }) else { return .nan }
        return values[0] - values.dropFirst().max()!
      }
    }
  }

  private static func curves(_ evaluation: StoredEvaluation, _ choice: ScoreChoice) throws -> [Curve] {
    let count = evaluation.timesteps.count
    guard count > 1, choice.head == nil else { return [] }
    func accuracies(_ steps: [Int]) throws -> [(name: String, Bootstrap.Proportion, chance: Double)] {
      let table = try EvaluationTable(
        evaluation.answered.map { ($0.item, $0.terms.selecting(steps: steps)) }, choices: [choice])
      return table.groups.filter { $0.category == nil }.flatMap { group in
        group.directions.compactMap { section in
          section.results[0].map {
            (
              "\(group.task)\(group.isHeldOut ? " (held out)" : ""): \(section.direction)", $0.accuracy,
              section.chance
            )
          }
        }
      }
    }
    let first = try (1...count).map { try accuracies(Array(0..<$0)) }
    let alone = try (0..<count).map { try accuracies([$0]) }
    return first[0].indices.map { place in
      Curve(
        name: first[0][place].name, first: first.map { $0[place].1 }, alone: alone.map { $0[place].1 },
        chance: first[0][place].chance)
    }
  }

  private static func counts(_ answers: [Answer]) -> ([Confusion], [Ranks]) {
    var tasks: [String] = []
    for answer in answers where !tasks.contains(answer.item.task) { tasks.append(answer.item.task) }
    var confusions: [Confusion] = []
    var ranks: [Ranks] = []
    for task in tasks {
      let own = answers.filter { $0.item.task == task }
      if let confusion = confusion(task, own) { confusions.append(confusion) }
      for direction in Question.Direction.allCases {
        let questions = own.flatMap { Question.ask($0.item, $0.scores, direction) }
        // Of two choices the accuracy says all.
        guard let most = questions.map(\.choices).max(), most > 2 else { continue }
        var counts = [Int](repeating: 0, count: most)
        for question in questions { counts[question.rank - 1] += 1 }
        ranks.append(Ranks(task: task, direction: direction.rawValue, counts: counts))
      }
    }
    return (confusions, ranks)
  }

  /// Nil for a task whose items do not all choose from the same captions.
  private static func confusion(_ task: String, _ answers: [Answer]) -> Confusion? {
    func captions(_ item: EvaluationItem) -> [String] {
      (0..<item.captions).map { item.texts[$0 * item.wordings] }
    }
    let all = captions(answers[0].item).sorted()
    let places = Dictionary(all.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    guard places.count == all.count, (3...confusionLimit).contains(all.count) else { return nil }
    var counts = [[Int]](repeating: [Int](repeating: 0, count: all.count), count: all.count)
    for answer in answers {
      let own = captions(answer.item)
      guard answer.item.images.count == 1, answer.item.right.count == 1, own.sorted() == all else {
        return nil
      }
      let row = captionScores(answer.item, answer.scores)[0]
      // As answers are counted: a tie is for the wrong one, and so is what is not a number.
      let right = answer.item.right[0].text
      let wrong = row.indices.filter { $0 != right }.max { row[$0] < row[$1] || row[$0].isNaN }!
      let best =
        wrong != right && row.indices.allSatisfy { $0 == right || row[right] > row[$0] } ? right : wrong
      counts[places[own[right]]!][places[own[best]]!] += 1
    }
    return Confusion(task: task, captions: all, counts: counts)
  }
}
