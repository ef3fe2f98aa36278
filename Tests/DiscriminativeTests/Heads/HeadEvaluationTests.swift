import Foundation
import TestSupport
import Testing

@testable import Discriminative

/// Heads on what a model says.
@Suite struct HeadEvaluationTests {
  /// The mean head is the default score, attention heads average to their layers, and a file of results gives back both.
  @Test(arguments: ["sd15", "sdxl"]) func rows(_ kind: String) throws {
    let benchmark = try SmallBenchmark(kind)
    let heads = try [Head(named: "mean"), Head(named: "dynamic-head-weights")]
    let options = benchmark.options {
      $0.variants = [NormalizedVariant(.head)]
      $0.layers = [("official", .official), ("all", .all)]
      $0.heads = heads
    }
    let path = "\(benchmark.folder)/results.sqlite"
    let tables = try (0..<2).map { run in
      let evaluation = try benchmark.evaluation(options, results: path)
      #expect(evaluation.pending.isEmpty == (run == 1))
      try evaluation.run()
      let rows = evaluation.choices
      #expect(
        rows.map { $0.head?.head.name } == [
          nil, nil, nil, nil, nil, "mean", "mean", "dynamic-head-weights", "dynamic-head-weights",
        ])
      for place in evaluation.items.indices {
        let terms = try #require(evaluation.terms(of: place))
        for layers in 0..<2 {
          let plain = try #require(try rows[3 + layers].scores(terms, headCounts: evaluation.headCounts))
          let mean = try #require(try rows[5 + layers].scores(terms, headCounts: evaluation.headCounts))
          for (a, b) in zip(plain.joined(), mean.joined()) { #expect(abs(a - b) < 1e-5 * max(1, abs(a))) }
        }
        let grid = try #require(terms.heads)
        let attention = try #require(terms.attention[.head])
        let starts = evaluation.headCounts.indices.map { evaluation.headCounts[..<$0].reduce(0, +) }
        for row in 0..<terms.images * terms.texts * terms.timesteps {
          for (layer, count) in evaluation.headCounts.enumerated() {
            let from = row * grid.extents[3] + starts[layer]
            let mean = grid.values[from..<from + count].reduce(0, +) / Double(count)
            #expect(abs(mean - attention.values[row * terms.layers + layer]) < 1e-9)
          }
        }
      }
      return try JSONText.encode(try evaluation.table())
    }
    #expect(tables[0] == tables[1])
    #expect(tables[0].contains("\"head\" : \"mean\""))
  }

  /// A head in code on a value of the pipeline: it runs for each timestep, and sees each pair's own.
  @Test func values() throws {
    struct Estimate: HeadDefinition {
      let name = "estimate"
      func score(_ head: HeadBuilder) -> Value {
        let estimate = head.value("noise_estimate", ["pairs", "channels", "height", "width"])
        let weight = head.learned("weight", Tensor([1 as Float], shape: [1]), axes: ["timesteps"])
        let mean = head.mean(estimate, over: [1, 2, 3])
        return head.graph.Add(
          head.graph.Mul(mean, weight), head.mean(head.mean(head.attention, over: [2]), over: [1]))
      }
    }
    let benchmark = try SmallBenchmark()
    let head = try Head(Estimate())
    #expect(head.values == ["noise_estimate"])
    let options = benchmark.options {
      $0.variants = []
      $0.heads = [head]
      $0.layers = [("all", .all)]
    }
    let evaluation = try benchmark.evaluation(options)
    try evaluation.run()
    let terms = try #require(evaluation.terms(of: 0))
    let scores = try #require(try evaluation.choices.last!.scores(terms))
    let value = try #require(terms.values["noise_estimate"]).tensor
    #expect(value.shape.prefix(2) == [4, 2])
    let numbers = value.array(of: Float.self).map(Double.init)
    let size = numbers.count / 8
    for pair in 0..<4 {
      var expected = 0.0
      for step in 0..<2 {
        let row = pair * 2 + step
        expected += numbers[row * size..<(row + 1) * size].reduce(0, +) / Double(size) / 2
        let layers = terms.attention[.head]!.values[row * terms.layers..<(row + 1) * terms.layers]
        expected += layers.reduce(0, +) / Double(terms.layers) / 2
      }
      #expect(abs(scores[pair / 2][pair % 2] - expected) < 1e-5)
    }
    // Captions differ in it.
    #expect(numbers[0..<size].elementsEqual(numbers[2 * size..<3 * size]) == false)
    #expect { try benchmark.evaluation(options, results: "\(benchmark.folder)/r.sqlite") } throws: {
      "\($0)".contains("'noise_estimate', which no file of results keeps")
    }
  }
}
