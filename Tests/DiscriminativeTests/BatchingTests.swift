import Discriminative
import TestSupport
import Testing

/// Captions that go through the UNet together.
@Suite struct BatchingTests {
  private func job(_ kind: String, batch: Int, _ change: (inout MatchingOptions) -> Void = { _ in }) throws
    -> (MatchingJob, MatchingResult)
  {
    let reference = try Reference(kind)
    let texts = reference.texts + ["a fourth caption", "and a fifth one"]
    var options = MatchingOptions()
    options.timesteps = [100, 700]
    options.batch = batch
    change(&options)
    let job = try MatchingJob(
      reference.graph, tokenizerFolder: reference.checkpoint, imageNames: ["a", "b"], texts: texts,
      options: options, pool: ThreadPool(threads: 1), pixels: reference.pixels)
    return (job, try job.run())
  }

  private func agree(_ a: MatchingResult, _ b: MatchingResult) {
    func compare(_ a: [[Double]]?, _ b: [[Double]]?) {
      #expect((a == nil) == (b == nil))
      for (x, y) in zip((a ?? []).joined(), (b ?? []).joined()) { #expect(abs(x - y) <= 1e-5) }
    }
    compare(a.scores, b.scores)
    compare(a.attention, b.attention)
    compare(a.bias, b.bias)
  }

  @Test(arguments: Reference.kinds) func equalsOneByOne(_ kind: String) throws {
    let (one, expected) = try job(kind, batch: 1)
    let (several, result) = try job(kind, batch: 4)
    #expect(one.plan.batching == nil)
    let batching = try #require(several.plan.batching)
    #expect(batching.limit == 4)
    #expect(one.lastRun!.runs == several.lastRun!.runs)
    agree(expected, result)
    #expect(several.lastRun!.together == 24)
  }

  /// Workers beside each other group captions as one alone does.
  @Test func sameBitsWithWorkers() throws {
    let reference = try Reference("sd15")
    func run(_ threads: Int) throws -> MatchingResult {
      var options = MatchingOptions()
      options.timesteps = [100, 700]
      options.batch = 3
      let job = try MatchingJob(
        reference.graph, tokenizerFolder: reference.checkpoint, imageNames: ["a", "b", "c"],
        texts: reference.texts, options: options, pool: ThreadPool(threads: threads),
        pixels: { try reference.pixels($0 % 2) })
      let result = try job.run()
      #expect(job.workerCount == threads)
      return result
    }
    let (one, two) = (try run(1), try run(2))
    #expect(one.scores == two.scores && one.perTimestep.attention == two.perTimestep.attention)
  }

  @Test(arguments: [Normalization.none, .emptyCaption, .noise, .images]) func readings(
    _ normalize: Normalization
  ) throws {
    for (pooling, positions) in [
      (Pooling.logsumexp, TextPositions.content), (.cosine, .all), (.mass, .content),
    ] {
      func change(_ options: inout MatchingOptions) {
        options.normalize = normalize
        options.pooling = pooling
        options.positions = positions
        options.latent = .sample
      }
      let (several, result) = try job("sd15", batch: 3, change)
      agree(try job("sd15", batch: 1, change).1, result)
      // All captions of both images, and those of the image of noise with an official habit or not.
      #expect(several.lastRun!.together >= 2 * 2 * several.texts.count)
    }
  }
}
