import Discriminative
import TestSupport
import Testing

/// Which questions items ask, and how they are judged: counted by hand.
@Suite struct QuestionTests {
  private func item(_ images: Int, _ texts: Int, _ right: [(Int, Int)], task: String = "t") throws
    -> EvaluationItem
  {
    EvaluationItem(
      id: "i", task: task, images: try (0..<images).map { try ImageReference("\($0).png") },
      texts: (0..<texts).map { "text \($0)" }, right: right.map { .init(image: $0, text: $1) })
  }

  @Test func twoByTwo() throws {
    let item = try item(2, 2, [(0, 0), (1, 1)])
    let scores = [[3.0, 1], [2, 1.5]]
    let captions = Question.ask(item, scores, .captionsForImage)
    #expect(captions.map(\.rank) == [1, 2])
    let images = Question.ask(item, scores, .imagesForCaption)
    #expect(images.map(\.rank) == [1, 1])
    #expect((captions + images).allSatisfy { $0.choices == 2 && !$0.isTie && !$0.isUnusable })
  }

  /// Without a wrong alternative there is no question, and another right one is no alternative.
  @Test func rightAlternatives() throws {
    let one = try item(1, 3, [(0, 0), (0, 2)])
    let captions = Question.ask(one, [[1, 2, 3]], .captionsForImage)
    #expect(captions.map(\.choices) == [2, 2])
    #expect(captions.map(\.rank) == [2, 1])
    #expect(Question.ask(one, [[1, 2, 3]], .imagesForCaption).isEmpty)
    let all = try item(1, 2, [(0, 0), (0, 1)])
    #expect(Question.ask(all, [[1, 2]], .captionsForImage).isEmpty)
  }

  /// A tie with the best wrong one counts as wrong and is told; one behind a better wrong one is none.
  @Test func ties() throws {
    let item = try item(1, 3, [(0, 1)])
    let tie = Question.ask(item, [[2, 2, 1]], .captionsForImage)[0]
    #expect(tie.isTie && tie.rank == 2)
    let all = Question.ask(item, [[2, 2, 2]], .captionsForImage)[0]
    #expect(all.isTie && all.rank == 3)
    let behind = Question.ask(item, [[2, 2, 5]], .captionsForImage)[0]
    #expect(!behind.isTie && behind.rank == 3)
  }

  @Test func notANumber() throws {
    let item = try item(1, 2, [(0, 0)])
    for scores in [[Double.nan, 1], [1, .nan], [.nan, .nan]] {
      let question = Question.ask(item, [scores], .captionsForImage)[0]
      #expect(question.isUnusable && question.rank == 2 && !question.isTie)
    }
    let infinite = Question.ask(item, [[.infinity, 1]], .captionsForImage)[0]
    #expect(!infinite.isUnusable && infinite.rank == 1)
  }

  /// A table of three items, one of them held out, with two score choices.
  @Test func table() throws {
    func terms(_ errors: [[Double]], _ attention: [[Double]]) -> MatchingTerms {
      let (images, texts) = (attention.count, attention[0].count)
      var terms = MatchingTerms(images: images, texts: texts, timesteps: 1, layers: 1)
      var grid = TermGrid([images, texts + 1, 1])
      grid.values = Array(errors.joined())
      terms.errors = grid
      var own = TermGrid([images, texts, 1, 1])
      own.values = Array(attention.joined())
      terms.attention[AttentionVariant(.max)] = own
      return terms
    }
    let variant = NormalizedVariant(AttentionVariant(.max))
    let choices = [
      ScoreChoice(terms: .bias),
      ScoreChoice(terms: .both, variant: variant, layers: .init(name: "all", indices: [0])),
      ScoreChoice(
        terms: .attention, variant: NormalizedVariant(variant.variant, .images),
        layers: .init(name: "all", indices: [0])),
    ]
    var second = try item(1, 2, [(0, 0)])
    second.isHeldOut = true
    let many = try item(1, 7, [(0, 3)], task: "many")
    // Bias of a caption: the empty caption's error (last) less its own.
    let table = try EvaluationTable(
      [
        (try item(2, 2, [(0, 0), (1, 1)]), terms([[1, 2, 5], [4, 4, 5]], [[0, 0], [0, 1]])),
        (second, terms([[3, 1, 0]], [[9, 0]])),
        (many, terms([[1, 2, 3, 4, 5, 6, 7, 0]], [[0, 0, 0, 0, 0, 0, 0]])),
      ], choices: choices)
    #expect(table.groups.map(\.task) == ["t", "t", "many"])
    #expect(table.groups.map(\.isHeldOut) == [false, true, false])
    // Bias 4, 3 / 1, 1: image 0 right, image 1 a tie; both captions pick image 0, which is wrong for caption 1.
    let first = table.groups[0].directions
    #expect(first.map(\.direction) == ["captions for an image", "images for a caption"])
    #expect(first.map { $0.results[0]!.accuracy.value } == [0.5, 0.5])
    #expect(first.map { $0.results[0]!.ties } == [1, 0])
    // With attention 4, 3 / 1, 2: image 1 is right too.
    #expect(first.map { $0.results[1]!.accuracy.value } == [1, 0.5])
    #expect(first[0].results[2] != nil)
    // Bias −3, −1 with attention 9, 0.
    let heldOut = table.groups[1].directions
    #expect(heldOut.count == 1 && heldOut[0].questions == 1 && heldOut[0].chance == 0.5)
    #expect(heldOut[0].results.map { $0?.accuracy.value } == [0, 1, nil])
    // The right one is fourth of seven.
    let ranked = table.groups[2].directions[0].results[0]!
    #expect(ranked.accuracy.value == 0 && ranked.recallAt5?.value == 1)
    #expect(abs(table.groups[2].directions[0].chance - 1 / 7) < 1e-12)
  }
}
