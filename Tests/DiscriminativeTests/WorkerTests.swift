import Discriminative
import TestSupport
import Testing

/// Images of a small model that are gone through beside each other.
@Suite struct WorkerTests {
  private static func job(_ threads: Int, _ change: (inout MatchingOptions) -> Void = { _ in }) throws
    -> MatchingJob
  {
    let reference = try Reference("sd15")
    var options = MatchingOptions()
    options.timesteps = [100, 700]
    change(&options)
    return try MatchingJob(
      reference.graph, tokenizerFolder: reference.checkpoint, imageNames: ["a", "b", "c", "d", "e"],
      texts: reference.texts, options: options, pool: ThreadPool(threads: threads),
      pixels: { try reference.pixels($0 % 2) })
  }

  @Test(arguments: [Normalization.none, .noise, .emptyCaption, .images]) func sameBits(
    _ normalize: Normalization
  )
    throws
  {
    func change(_ options: inout MatchingOptions) {
      options.normalize = normalize
      options.positions = .content
    }
    let one = try Self.job(1, change)
    let expected = try one.run()
    #expect(one.workerCount == 1)
    for threads in [2, 4] {
      let several = try Self.job(threads, change)
      var last = (0, 0)
      let result = try several.run { last = ($0, $1) }
      #expect(several.workerCount == threads)
      #expect(last.0 == last.1 && last.1 > 0)
      #expect(result.scores == expected.scores)
      #expect(result.attention == expected.attention)
      #expect(result.bias == expected.bias)
    }
  }

  @Test func errorsComeOut() throws {
    struct Broken: Error {}
    let reference = try Reference("sd15")
    let job = try MatchingJob(
      reference.graph, tokenizerFolder: reference.checkpoint, imageNames: ["a", "b", "c"], texts: ["a cat"],
      options: MatchingOptions(), pool: ThreadPool(threads: 2),
      pixels: { image in
        guard image < 1 else { throw Broken() }
        return try reference.pixels(image)
      })
    #expect(throws: Broken.self) { try job.run() }
  }
}
