import GraphIR
import Operators
import Rewrites
import TestSupport
import Testing

@Suite struct PromptTokensTests {
  static let positions = 8
  static let vocabulary = 12
  static let width = 3
  static let end: Int64 = 9

  /// Ids to token and place embeddings, and the place of the end token.
  /// - Parameter end: the id that the graph looks for; the highest one when nil.
  private func encoder(end: Int64? = PromptTokensTests.end, ids dtype: DType = .int64) -> Graph {
    let g = GraphBuilder()
    var random = Seeded(5)
    let ids = g.input("input_ids", dtype, ["batch", .known(PromptTokensTests.positions)])
    let (states, place) = g.scope("text_encoder") {
      let table = g.weight(
        "token", Initializer(random.tensor([PromptTokensTests.vocabulary, PromptTokensTests.width])))
      let wide = g.Cast(ids, attributes: ["to": .int(Int(DType.int64.rawValue))])
      let tokens = g.Gather(table, wide, attributes: ["axis": .int(0)])
      let places = g.weight(
        "place", Initializer(random.tensor([PromptTokensTests.positions, PromptTokensTests.width])))
      let to: [String: Attribute] = ["to": .int(Int(DType.int32.rawValue))]
      let ranked = g.Cast(end.map { g.Equal(wide, g.constant(Tensor(scalar: $0))) } ?? wide, attributes: to)
      return (g.Add(tokens, places), g.ArgMax(ranked, attributes: ["axis": .int(-1)]))
    }
    g.output(states, as: "states", TensorType(.float32, ["batch", 8, 3]))
    g.output(place, as: "place", nil)
    return g.graph
  }

  /// The id at each position, or the row of the learned tensor as −1 − row.
  private func expected(_ ids: [Int64], count: Int, end: Int64) -> [Int64] {
    let learned = (0..<count).map { Int64(-1 - $0) }
    var result = Array((ids.prefix(1) + learned + ids.dropFirst()).prefix(ids.count))
    if !result.contains(end) { result[ids.count - 1] = end }
    return result
  }

  private static let captions: [[Int64]] = [
    [8, 9, 0, 0, 0, 0, 0, 0], [8, 1, 2, 9, 9, 9, 9, 9], [8, 1, 2, 3, 4, 9, 0, 0],
    [8, 1, 2, 3, 4, 5, 9, 0], [8, 1, 2, 3, 4, 5, 6, 9],
  ]

  @Test(arguments: [1, 2, 5, 6], [DType.int64, .int32])
  func captionsMoveAndKeepTheirEnd(_ count: Int, _ dtype: DType) throws {
    let captions = PromptTokensTests.captions
    let end = PromptTokensTests.end
    for looksFor in [end, nil] {
      let graph = encoder(end: looksFor, ids: dtype)
      var random = Seeded(9)
      let learned = random.tensor([count, PromptTokensTests.width])
      let adapted = try PromptTokens(count: count).attached(to: graph, .standard) { _ in learned }
      #expect(adapted.learned.map(\.name) == ["adapter/text_encoder/prompt_tokens"])
      #expect(adapted.learned.map(\.key) == ["text_encoder.prompt_tokens"])
      #expect(try PromptTokens.shift(of: adapted.graph) == count)
      let checked = try adapted.graph.validated(.standard)
      let flat = Tensor(captions.flatMap { $0 }, shape: [captions.count, PromptTokensTests.positions])
      let values = try NaiveEvaluator.values(checked, ["input_ids": flat.converted(to: dtype)])
      let table = graph.initializers["text_encoder/token"]!.tensor!.array(of: Float.self)
      let places = graph.initializers["text_encoder/place"]!.tensor!.array(of: Float.self)
      let own = learned.array(of: Float.self)
      var states: [Float] = []
      var ends: [Int64] = []
      for caption in captions {
        let moved = expected(caption, count: count, end: end)
        ends.append(Int64(moved.firstIndex(of: end)!))
        for (place, id) in moved.enumerated() {
          for channel in 0..<3 {
            let token = id < 0 ? own[Int(-1 - id) * 3 + channel] : table[Int(id) * 3 + channel]
            states.append(token + places[place * 3 + channel])
          }
        }
      }
      #expect(values["states"]!.array(of: Float.self) == states)
      #expect(values["place"]!.array(of: Int64.self) == ends)
    }
  }

  @Test func aGivenEndTokenCounts() throws {
    let adapted = try PromptTokens(count: 2, endTokens: ["input_ids": 5])
      .attached(to: encoder(end: nil), .standard) { .zeros(.float32, $0.shape) }
    let ids = Tensor([8, 1, 11, 3, 4, 2, 5, 0] as [Int64], shape: [1, 8])
    let shifted = try NaiveEvaluator.values(adapted.graph, ["input_ids": ids])
      .first { $0.key.hasSuffix("shifted_ids") }!.value
    #expect(shifted.array(of: Int64.self) == [8, 8, 8, 1, 11, 3, 4, 5])
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let graph = encoder()
    for count in [0, 7] {
      #expect(throws: DataError.self) {
        try PromptTokens(count: count).attached(to: graph, .standard) { .zeros(.float32, $0.shape) }
      }
    }
    #expect(throws: DataError.self) {
      try PromptTokens(count: 2).attached(to: graph, .standard) { _ in .zeros(.float32, [2, 4]) }
    }
    let once = try PromptTokens(count: 2).attached(to: graph, .standard) { .zeros(.float32, $0.shape) }
    #expect(throws: DataError.self) {
      try PromptTokens(count: 2).attached(to: once.graph, .standard) { .zeros(.float32, $0.shape) }
    }
    #expect(throws: DataError.self) {
      try PromptTokens(count: 1).attached(to: Graph(), .standard) { .zeros(.float32, $0.shape) }
    }
  }
}
