import TestSupport
import Testing

@testable import Discriminative

@Suite struct TrainingExampleTests {
  private func item(_ images: Int, _ texts: Int, _ right: [(Int, Int)]) throws -> EvaluationItem {
    EvaluationItem(
      id: "x", task: "t", images: try (0..<images).map { try ImageReference("\($0).png") },
      texts: (0..<texts).map { "text \($0)" }, right: right.map { .init(image: $0.0, text: $0.1) })
  }

  /// The same questions that an evaluation asks, the right candidate first.
  @Test func questionsOfAnItem() throws {
    let two = try item(2, 2, [(0, 0), (1, 1)])
    let examples = TrainingExample.all(of: [two, try item(1, 3, [(0, 1)])])
    #expect(examples.map(\.itemIndex) == [0, 0, 0, 0, 1])
    #expect(
      examples.map { $0.candidates.map { "\($0.image.path) \($0.text)" } } == [
        ["0.png text 0", "0.png text 1"], ["1.png text 1", "1.png text 0"],
        ["0.png text 0", "1.png text 0"], ["1.png text 1", "0.png text 1"],
        ["0.png text 1", "0.png text 0", "0.png text 2"],
      ])
    #expect(examples.prefix(4).map(\.direction).map(\.rawValue).filter { $0.hasPrefix("images") }.count == 2)
    let captions = TrainingExample.all(of: [two], directions: [.captionsForImage], first: 7)
    #expect(captions.count == 2 && captions.allSatisfy { $0.itemIndex == 7 })
  }

  /// Other right pairs are no alternatives, and what leaves none is no example.
  @Test func severalRight() throws {
    let examples = TrainingExample.all(of: [try item(1, 3, [(0, 0), (0, 2)])])
    #expect(examples.map { $0.pairs.map(\.text) } == [[0, 1], [2, 1]])
    #expect(TrainingExample.all(of: [try item(1, 1, [(0, 0)])]).isEmpty)
  }

  @Test func draws() {
    func draws(_ timesteps: StepDraws.Timesteps, _ seed: UInt64 = 3) -> StepDraws {
      StepDraws(
        seed: seed, timesteps: timesteps, validationTimesteps: [125, 375], validationSeed: 8,
        scheduleLength: 1000)
    }
    let random = draws(.random(count: 2))
    let drawn = (0..<50).flatMap { step in (0..<8).map { random.draw(step: step, place: $0) } }
    #expect(Set(drawn.map(\.noiseSeed)).count == drawn.count)
    #expect(
      drawn.allSatisfy { $0.timesteps.count == 2 && $0.timesteps.allSatisfy { (0..<1000).contains($0) } })
    let mean = drawn.flatMap(\.timesteps).reduce(0, +) / (2 * drawn.count)
    #expect((450..<550).contains(mean))
    #expect(random.draw(step: 4, place: 2) == draws(.random(count: 2)).draw(step: 4, place: 2))
    #expect(random.draw(step: 4, place: 2) != draws(.random(count: 2), 4).draw(step: 4, place: 2))
    // The noise is the same however timesteps are chosen.
    let fixed = draws(.fixed([10])).draw(step: 4, place: 2)
    #expect(fixed == StepDraw(timesteps: [10], noiseSeed: random.draw(step: 4, place: 2).noiseSeed))
    #expect(random.validation == StepDraw(timesteps: [125, 375], noiseSeed: 8))
  }
}
