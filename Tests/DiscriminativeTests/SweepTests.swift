import Discriminative
import TestSupport
import Testing

/// Each value once per combination of the axes it depends on.
@Suite struct SweepTests {
  /// Runs of the stages by component and axes.
  private func runs(_ job: MatchingJob) -> [String: Int] {
    var result: [String: Int] = [:]
    for (stage, count) in zip(job.plan.stages, job.lastRun!.runs) {
      let axes = stage.axes.map(\.rawValue).joined(separator: "+")
      for component in stage.components.keys { result["\(component) \(axes)"] = count }
    }
    return result
  }

  @Test(arguments: ["sd21base", "sdxl"]) func counters(_ kind: String) throws {
    let reference = try Reference(kind)
    var options = MatchingOptions()
    options.timesteps = [100, 700]
    let texts = reference.texts + ["a fourth caption"]
    let job = try MatchingJob(
      reference.graph, tokenizerFolder: reference.checkpoint, imageNames: ["a", "b", "a again"],
      texts: texts, options: options, pool: ThreadPool(threads: 1), pixels: { try reference.pixels($0 % 2) })
    _ = try job.run()
    let runs = runs(job)
    #expect(runs["vae_encoder image"] == 3)
    #expect(runs["text_encoder text"] == 5)
    #expect(runs["unet timestep"] == 2)
    #expect(runs["unet text"] == 5)
    #expect(runs["unet image+timestep"] == 6)
    #expect(runs["unet image+timestep+text"] == 30)
    if kind == "sdxl" { #expect(runs["text_encoder_2 text"] == 5) }
  }

  @Test func equalsPairByPair() throws {
    let reference = try Reference("sd21base")
    let whole = try reference.job().run()
    for image in 0..<2 {
      for (text, caption) in reference.texts.enumerated() {
        var options = MatchingOptions()
        options.timesteps = reference.facts.timesteps
        options.noise = try reference.noise
        let single = try MatchingJob(
          reference.graph, tokenizerFolder: reference.checkpoint, imageNames: ["one"], texts: [caption],
          options: options, pool: ThreadPool(threads: 1), pixels: { _ in try reference.pixels(image) }
        ).run()
        #expect(abs(single.scores[0][0] - whole.scores[image][text]) <= 1e-5)
        #expect(abs(single.attention![0][0] - whole.attention![image][text]) <= 1e-5)
        #expect(abs(single.bias![0][0] - whole.bias![image][text]) <= 1e-5)
      }
    }
  }

  /// Without room for held values everything is computed again, with the same result.
  @Test func smallBudget() throws {
    let reference = try Reference("sd15")
    let ample = try reference.job(threads: 1)
    let tight = try reference.job(threads: 1) { $0.memoryBudget = 0 }
    let expected = try ample.run()
    let result = try tight.run()
    #expect(result.scores == expected.scores)
    #expect(tight.lastRun!.peakHeldBytes == 0)
    #expect(tight.lastRun!.runs.reduce(0, +) > ample.lastRun!.runs.reduce(0, +))
    #expect(ample.lastRun!.peakHeldBytes <= 4 << 30)
  }

  /// Only the attention term: the end of the UNet and the empty caption are not run.
  @Test func attentionAlone() throws {
    let reference = try Reference("sd21base")
    let both = try reference.job(threads: 1)
    let alone = try reference.job(threads: 1) { $0.terms = .attention }
    let result = try alone.run()
    #expect(result.attention == (try both.run()).attention)
    #expect(result.bias == nil)
    #expect(alone.counts[.text] == reference.texts.count)
    let work = { (job: MatchingJob) in job.plan.stages.reduce(0) { $0 + $1.plan.multiplyAdds } }
    #expect(work(alone) < work(both))
  }

  @Test func sameForAnyNumberOfThreads() throws {
    let reference = try Reference("sd15")
    var results: [MatchingResult] = []
    for threads in [1, 2, 3] {
      var options = MatchingOptions()
      options.timesteps = [10, 600]
      results.append(
        try MatchingJob(
          reference.graph, tokenizerFolder: reference.checkpoint, imageNames: ["a", "b"],
          texts: reference.texts, options: options, pool: ThreadPool(threads: threads),
          pixels: reference.pixels
        ).run())
    }
    #expect(results[0].scores == results[1].scores)
    #expect(results[0].scores == results[2].scores)
  }
}
