import CommandLineSupport

extension BenchCommand {
  /// Finds each convolution's fastest way, writes the graph, and times it beside the one that was given.
  func writeTuned(_ loaded: LoadedGraph, to output: String, _ loadSeconds: Double) throws {
    // What the run's options have made of the graph is no business of the new file.
    let own = try GraphReader.read(path: graph, weights: .leave).validated(.standard)
    _ = try loaded.home(for: output)
    var tuning: ConvolutionTuning
    do {
      tuning = try ConvolutionTuning(loaded.graph, prepared: parts(loaded.graph).map(\.preparation))
    } catch let error as DataError {
      throw DataError("\(graph): \(error.message)")
    }
    let steps = Steps("tuning")
    for round in 0..<ConvolutionTuning.rounds {
      for way in round % 2 == 0 ? ConvolutionTuning.ways : ConvolutionTuning.ways.reversed() {
        let parts = try self.parts(tuning.graph(trying: way))
        steps.count =
          parts.count * ConvolutionTuning.rounds * ConvolutionTuning.ways.count * (1 + warmup + `repeat`)
        for part in parts {
          for _ in 0...warmup { _ = try steps.step { try part.once() } }
          let profile = Profile(keepsEvents: true)
          for _ in 0..<`repeat` { _ = try steps.step { try part.once(profile) } }
          tuning.add(profile, trying: way, round: round)
        }
      }
    }
    print(tuning.text())
    try loaded.write(tuning.tuned(own), to: output)
    print("\(output): written")
    let timing = Steps("timing")
    var before = try time(loaded.graph, loadSeconds, timing)
    var after = try time(tuning.tuned(loaded.graph), as: output, loadSeconds, timing)
    before.peak = ProductPeak.measure(arguments.pool())
    after.peak = before.peak
    for report in [before, after] { print("\n\(report.text(nodes: nodes))") }
    try write(TuningReport(before: before, after: after, tuning))
  }
}
