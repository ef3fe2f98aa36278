import Foundation
import TestSupport
import Testing

@testable import Discriminative

@Suite("Captions that can no longer win are given up")
struct EliminationTests {
  /// Critical values from tables of the distribution.
  @Test(arguments: [
    (1.0, 6.3138, 0.05), (2, 9.9248, 0.005), (5, 2.5706, 0.025), (10, 1.8125, 0.05), (30, 2.7500, 0.005),
    (6.5, 0, 0.5), (8, -1.8595, 0.95),
  ])
  func studentT(_ degrees: Double, _ t: Double, _ tail: Double) {
    #expect(abs(StudentT.upperTail(t, degrees: degrees) - tail) < 2e-5)
  }

  @Test func far() {
    // For many degrees it is the normal distribution: P(Z > 6).
    #expect(abs(StudentT.upperTail(6, degrees: 1e7) / 9.8659e-10 - 1) < 1e-3)
    #expect(StudentT.upperTail(1e200, degrees: 5) == 0)
  }

  @Test func ordersHaveEveryTimestepOnce() {
    for count in 1...40 { #expect(Elimination.spreadOrder(count).sorted() == Array(0..<count)) }
    #expect(Elimination.spreadOrder(8).prefix(4) == [4, 0, 6, 2])
  }

  /// A normal deviate, by Box and Muller.
  private static func normal(_ random: inout Seeded) -> Double {
    let (u, v) = (Double(random.next() >> 11) / 0x1p53, Double(random.next() >> 11) / 0x1p53)
    return (-2 * log(1 - u)).squareRoot() * cos(2 * .pi * v)
  }

  /// Normal scores whose spread differs by timestep, with captions of different means.
  private func scores(_ random: inout Seeded, captions: Int, spread: [Double], lead: Double) -> [[Double]] {
    (0..<captions).map { _ in
      let own = lead * Self.normal(&random)
      return spread.map { own + $0 * Self.normal(&random) }
    }
  }

  /// The answer and the passes of one image.
  private func run(_ elimination: Elimination, _ scores: [[Double]]) -> (best: Int, passes: Int) {
    var elimination = elimination
    var passes = 0
    var sums = [Double](repeating: 0, count: scores.count)
    for timestep in elimination.order {
      let alive = elimination.alive
      guard alive.count(where: { $0 }) > 1 else { break }
      passes += alive.count { $0 }
      for caption in alive.indices where alive[caption] { sums[caption] += scores[caption][timestep] }
      elimination.add(
        scores.indices.map { alive[$0] ? scores[$0][timestep] : .nan }, at: timestep)
    }
    return (elimination.alive.indices.filter { elimination.alive[$0] }.max { sums[$0] < sums[$1] }!, passes)
  }

  @Test("Wrong answers stay below the error rate, with and without a profile", arguments: [0.3, 0.05])
  func errorRate(_ rate: Double) {
    var random = Seeded(17)
    let spread = (0..<10).map { 0.2 + 0.3 * Double($0) }
    for lead in [0.0, 0.7] {
      var profile = SpreadProfile(timesteps: 10)
      for _ in 0..<3 { profile.add(scores(&random, captions: 6, spread: spread, lead: lead)) }
      let known = profile.variances!
      var wrong = [0, 0]
      var passes = [0, 0]
      let images = 400
      for _ in 0..<images {
        let scores = scores(&random, captions: 6, spread: spread, lead: lead)
        let means = scores.map { $0.reduce(0, +) }
        let best = means.indices.max { means[$0] < means[$1] }!
        for (place, elimination) in [
          Elimination(captions: 6, timesteps: 10, errorRate: rate),
          Elimination(captions: 6, errorRate: rate, spread: known),
        ].enumerated() {
          let result = run(elimination, scores)
          wrong[place] += result.best == best ? 0 : 1
          passes[place] += result.passes
        }
      }
      for place in 0..<2 {
        #expect(Double(wrong[place]) < rate * Double(images), "lead \(lead), \(place)")
        #expect(passes[place] < images * 60)
      }
      // Knowing where captions differ saves more.
      if rate < 0.1 { #expect(passes[1] < passes[0]) }
    }
  }

  @Test func whatIsNotFiniteGivesUpNothing() {
    var elimination = Elimination(captions: 3, timesteps: 8, errorRate: 0.5)
    for timestep in elimination.order { elimination.add([100, .nan, 0], at: timestep) }
    #expect(elimination.alive == [true, true, true])
    var profile = SpreadProfile(timesteps: 2)
    for _ in 0..<5 { profile.add([[1, .infinity], [0, 0]]) }
    #expect(profile.variances == nil)
  }

  /// A job that leaves passes out has the same values in those that it runs, and runs the first images as a whole.
  @Test(arguments: [MatchingOptions.Terms.both, .attention]) func job(_ terms: MatchingOptions.Terms) throws {
    let loaded = try LoadedGraph(path: "\(SampleTests.folder)/graph.pb")
    let paths = (1...6).map { "\(SampleTests.folder)/images/scene-\($0).png" }
    let images = try paths.map { try RGBImage(contentsOf: URL(fileURLWithPath: $0).path) }
    let texts = ["a red shirt", "a blue bag", "green trousers", "a yellow dress", "a white boot"]
    func run(_ rate: Double?, _ count: Int) throws -> (MatchingResult, [Int]) {
      var options = MatchingOptions()
      options.terms = terms
      options.samples = 6
      options.adaptive = rate
      let size = try PipelineDescription(from: loaded.graph).imageSize
      let job = try MatchingJob(
        loaded.graph, tokenizerFolder: loaded.assets, imageNames: Array(paths.prefix(count)), texts: texts,
        options: options, pool: ThreadPool(threads: 2),
        pixels: { images[$0].tensor(width: size, height: size) })
      var progress: [Int] = []
      let result = try job.run { done, all in progress.append(all - done) }
      return (result, progress)
    }
    for count in [2, 6] {
      let (every, _) = try run(nil, count)
      // An error rate that makes it give up much.
      let (fewer, progress) = try run(0.9, count)
      let adaptive = try #require(fewer.adaptive)
      #expect(every.adaptive == nil)
      #expect(adaptive.passes < adaptive.allPasses)
      #expect(progress.first == adaptive.allPasses && progress.last == 0)
      #expect(adaptive.allPasses == count * 6 * (terms == .attention ? 5 : 6))
      for image in 0..<count {
        if count == 6, image < 3 { #expect(adaptive.timesteps[image] == Array(repeating: 6, count: 5)) }
        #expect(adaptive.alive[image][fewer.bestText[image]])
        for text in texts.indices {
          let values = fewer.perTimestep.attention![image][text]
          #expect(values.count { !$0.isNaN } == adaptive.timesteps[image][text])
          for (a, b) in zip(values, every.perTimestep.attention![image][text]) where !a.isNaN {
            #expect(a == b)
          }
          #expect(fewer.scores[image][text].isFinite)
        }
      }
      let json = try JSONSerialization.jsonObject(with: Data(try fewer.json().utf8)) as? [String: Any]
      #expect((json?["adaptive"] as? [String: Any])?["passes"] as? Int == adaptive.passes)
      // A rate so small that nothing is given up before the end.
      let (all, _) = try run(1e-300, count)
      #expect(all.bestText == every.bestText)
      #expect(all.scores == every.scores)
    }
  }
}
