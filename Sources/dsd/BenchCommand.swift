import CommandLineSupport
import Foundation

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Time a graph: as a whole, by operator and by node.",
    discussion: """
      A pipeline graph is timed part by part, as a matching job of one caption runs it, with the attention score read:
        dsd bench graph.pb --threads 2
      Any other graph as a whole, with inputs made up where they are not given:
        dsd bench unet.onnx --dim batch=1 --dim height=64 --dim width=64 --json times.json
      Tools/bench times the same beside ONNX Runtime, OpenVINO and torch.
      With --tune each 3×3 convolution is tried as sums and by Winograd's algorithm with its two usual tiles, and a graph \
      file is written that says the fastest. It belongs to this machine, and its last bits differ:
        dsd bench graph.pb --tune tuned.pb
      """)

  @Argument(help: "The graph file: .pb or .onnx.")
  var graph: String

  @Option(
    help: ArgumentHelp(
      "Feed a value, as dsd-run takes it; others are random floats, and zeros of other types. Not for pipelines.",
      valueName: "name=value"))
  var input: [NamedText] = []

  @OptionGroup var dims: DimArguments

  @Option(help: "How often each part is timed.")
  var `repeat` = 5

  @Option(help: "How often each part runs before it is timed, the first time not counted.")
  var warmup = 1

  @Option(help: "How many nodes are listed, the slowest first.")
  var nodes = 20

  @Option(
    help: ArgumentHelp(
      "Write all times, with the machine and versions, as one JSON object.", valueName: "file"))
  var json: String?

  @Option(
    help: ArgumentHelp(
      "Write a graph file whose 3×3 convolutions are told how they are fastest here, and time that one too.",
      valueName: "file"))
  var tune: String?

  @OptionGroup(title: "Graph") var arguments: GraphArguments

  func validate() throws {
    guard (1...1_000_000).contains(`repeat`) else {
      throw ValidationError("--repeat: \(`repeat`) is not between 1 and 1000000")
    }
    guard (0...1_000_000).contains(warmup) else {
      throw ValidationError("--warmup: \(warmup) is not between 0 and 1000000")
    }
    guard nodes >= 0 else { throw ValidationError("--nodes: \(nodes) is negative") }
  }

  func run() throws {
    try OutputCheck.distinct([("--json", json), ("--tune", tune)], from: graph, "the graph")
    for file in [json, tune].compactMap(\.self) { try OutputCheck.file(file) }
    let start = ContinuousClock.now
    let loaded = try arguments.load(graph)
    let read = (ContinuousClock.now - start).seconds
    if let tune { return try self.tune(loaded, to: tune, read) }
    var report = try time(loaded.graph, read, Steps("timing"))
    report.peak = ProductPeak.measure(arguments.pool())
    print(report.text(nodes: nodes))
    try write(report)
  }

  private func write(_ report: some Encodable) throws {
    if let json { try AtomicFile.write(Array((try JSONText.encode(report) + "\n").utf8), to: json) }
  }

  /// Work that progress is told of.
  private final class Steps {
    private let progress: (Int, Int) -> Void
    private var done = 0
    var count = 0

    init(_ name: String) { progress = Terminal.progress(name) }

    func step<T>(_ body: () throws -> T) rethrows -> T {
      defer {
        done += 1
        progress(done, count)
      }
      return try body()
    }
  }

  /// Times all parts of a graph.
  private func time(_ model: Graph, as name: String? = nil, _ loadSeconds: Double, _ steps: Steps) throws
    -> BenchReport
  {
    let start = ContinuousClock.now
    let parts = try self.parts(model)
    var report = BenchReport(
      graph: name ?? graph, threads: arguments.threadCount,
      precision: (arguments.precision ?? .fp32).rawValue,
      loadSeconds: loadSeconds, planSeconds: (ContinuousClock.now - start).seconds)
    steps.count += parts.count * (1 + warmup + 2 * `repeat`)
    for part in parts {
      let first = try steps.step { try part.once() }
      for _ in 0..<warmup { _ = try steps.step { try part.once() } }
      let seconds = try (0..<`repeat`).map { _ in try steps.step { try part.once() } }
      // Apart from those: taking the time of each node takes some itself.
      let profile = Profile(keepsEvents: true)
      for _ in 0..<`repeat` { _ = try steps.step { try part.once(profile) } }
      report.parts.append(BenchReport.Part(part.name, part.plan, first: first, seconds: seconds, profile))
    }
    return report
  }

  /// Finds each convolution's fastest way, writes the graph, and times it beside the one that was given.
  private func tune(_ loaded: LoadedGraph, to output: String, _ loadSeconds: Double) throws {
    // What the run's options have made of the graph is no business of the new file.
    let own = try GraphReader.read(path: graph, weights: .leave).validated(.standard)
    _ = try loaded.home(for: output)
    var tuning: ConvolutionTuning
    do {
      tuning = try ConvolutionTuning(loaded.graph)
    } catch let error as DataError {
      throw DataError("\(graph): \(error.message)")
    }
    let (steps, warmup) = (Steps("tuning"), max(warmup, 1))
    for round in 0..<ConvolutionTuning.rounds {
      for way in round % 2 == 0 ? ConvolutionTuning.ways : ConvolutionTuning.ways.reversed() {
        let parts = try self.parts(tuning.graph(trying: way))
        steps.count =
          parts.count * ConvolutionTuning.rounds * ConvolutionTuning.ways.count * (warmup + `repeat`)
        for part in parts {
          for _ in 0..<warmup { _ = try steps.step { try part.once() } }
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

  /// What is timed by itself.
  private struct Part {
    let name: String
    let plan: Plan
    let feeds: [String: RuntimeValue]

    /// The seconds of a run.
    func once(_ profile: Profile? = nil) throws -> Double {
      let begin = ContinuousClock.now
      _ = try plan.runValues(feeds, profile: profile)
      return (ContinuousClock.now - begin).seconds
    }
  }

  private func parts(_ model: Graph) throws -> [Part] {
    guard model.metadata[PipelineDescription.metadataKey] != nil else { return [try whole(model)] }
    guard input.isEmpty, dims.dim.isEmpty else {
      throw UsageError("--input and --dim are not for pipelines: \(graph) knows its shapes")
    }
    let description = try PipelineDescription(from: model)
    let job = try MatchingPlan(model, description, MatchingOptions(), pool: arguments.pool())
    return try job.plan.stages.map { stage in
      var feeds: [String: RuntimeValue] = [:]
      for input in stage.plan.graph.inputs {
        feeds[input.name] = .tensor(
          try job.plan.preparation.supplied[input.name]
            ?? madeUp(input.name, job.plan.preparation.types[input.name]))
      }
      // The part that most of its arithmetic is.
      let largest = stage.components.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key ?? "pipeline"
      let axes = stage.axes.map(\.rawValue).joined(separator: ", ")
      return Part(
        name: "\(largest), for each \(axes.isEmpty ? "job" : axes)", plan: stage.plan, feeds: feeds)
    }
  }

  private func whole(_ model: Graph) throws -> Part {
    var inputs = try GraphInputs(input, dims: dims.extents(), of: model, at: graph)
    let given = inputs.names
    try inputs.read()
    var feeds = inputs.feeds
    for info in model.requiredInputs where !given.contains(info.name) {
      feeds[info.name] = try madeUp(info.name, dims.settled(info.type))
    }
    let types = feeds.mapValues { TensorType($0.dtype, $0.shape) }
    do {
      let preparation = try Preparation(
        model, .standard, inputs: types, rewrites: [RuleSet.recognition, RuleSet.fusion],
        pool: arguments.pool())
      let plan = try Plan(preparation)
      return Part(
        name: "all", plan: plan,
        feeds: feeds.merging(preparation.supplied) { $1 }.mapValues(RuntimeValue.tensor))
    } catch let error as DataError {
      throw DataError("\(graph): \(error.message) (give other extents with --dim, or values with --input)")
    }
  }

  private func madeUp(_ name: String, _ type: TensorType?) throws -> Tensor {
    guard let type, let shape = type.concreteShape, type.byteCount != nil else {
      throw DataError("\(graph): the shape of '\(name)' is not known: give --input \(name)=…")
    }
    return type.dtype.isFloat
      ? randn(seed: 0, shape: shape).converted(to: type.dtype) : Tensor.zeros(type.dtype, shape)
  }
}

extension Duration {
  fileprivate var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) * 1e-18
  }
}
