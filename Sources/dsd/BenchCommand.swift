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
    if let tune { return try writeTuned(loaded, to: tune, read) }
    var report = try time(loaded.graph, read, Steps("timing"))
    report.peak = ProductPeak.measure(arguments.pool())
    print(report.text(nodes: nodes))
    try write(report)
  }

  func write(_ report: some Encodable) throws {
    if let json { try AtomicFile.write(Array((try JSONText.encode(report) + "\n").utf8), to: json) }
  }

  /// Work that progress is told of.
  final class Steps {
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
  func time(_ model: Graph, as name: String? = nil, _ loadSeconds: Double, _ steps: Steps) throws
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

  /// What is timed by itself.
  struct Part {
    let name: String
    let preparation: Preparation
    let plan: Plan
    let feeds: [String: RuntimeValue]

    /// The seconds of a run.
    func once(_ profile: Profile? = nil) throws -> Double {
      let begin = ContinuousClock.now
      _ = try plan.runValues(feeds, profile: profile)
      return (ContinuousClock.now - begin).seconds
    }
  }

  func parts(_ model: Graph) throws -> [Part] {
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
        name: "\(largest), for each \(axes.isEmpty ? "job" : axes)", preparation: job.plan.preparation,
        plan: stage.plan, feeds: feeds)
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
        name: "all", preparation: preparation, plan: plan,
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
