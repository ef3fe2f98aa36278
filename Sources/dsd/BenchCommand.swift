import CommandLineSupport
import Foundation

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Time a graph: as a whole, by operator and by node.",
    discussion: """
      A pipeline graph is timed part by part, as a matching job runs it, with the attention score read:
        dsd bench graph.pb --threads 2
      Any other graph as a whole, with inputs made up where they are not given:
        dsd bench unet.onnx --dim batch=1 --dim height=64 --dim width=64 --json times.json
      Tools/bench times the same beside ONNX Runtime, OpenVINO and torch.
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
    if let json { try OutputCheck.file(json) }
    let clock = ContinuousClock()
    let start = clock.now
    let loaded = try arguments.load(graph)
    let read = clock.now
    let parts = try self.parts(loaded.graph)
    let planned = clock.now
    var report = BenchReport(
      graph: graph, threads: arguments.threadCount, precision: (arguments.precision ?? .fp32).rawValue,
      loadSeconds: (read - start).seconds, planSeconds: (planned - read).seconds)
    let progress = Terminal.progress("timing")
    let steps = parts.count * (1 + warmup + 2 * `repeat`)
    var done = 0
    func step<T>(_ body: () throws -> T) rethrows -> T {
      defer {
        done += 1
        progress(done, steps)
      }
      return try body()
    }
    for part in parts {
      func once(_ profile: Profile? = nil) throws -> Double {
        let begin = clock.now
        _ = try part.plan.runValues(part.feeds, profile: profile)
        return (clock.now - begin).seconds
      }
      let first = try step { try once() }
      for _ in 0..<warmup { _ = try step { try once() } }
      let seconds = try (0..<`repeat`).map { _ in try step { try once() } }
      // Apart from those: taking the time of each node takes some itself.
      let profile = Profile(keepsEvents: true)
      for _ in 0..<`repeat` { _ = try step { try once(profile) } }
      report.parts.append(BenchReport.Part(part.name, part.plan, first: first, seconds: seconds, profile))
    }
    report.peak = ProductPeak.measure(arguments.pool())
    print(report.text(nodes: nodes))
    if let json { try AtomicFile.write(Array((try JSONText.encode(report) + "\n").utf8), to: json) }
  }

  /// What is timed by itself.
  private struct Part {
    let name: String
    let plan: Plan
    let feeds: [String: RuntimeValue]
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
