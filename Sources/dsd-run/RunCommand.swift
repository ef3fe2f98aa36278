import CommandLineSupport
import Foundation

/// Runs any graph, with hooks.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dsd-run",
    abstract: "Run a graph file: score images against captions, or compute any values.",
    discussion: """
      Score images against captions with a pipeline graph (made by 'dsd import'):
        dsd-run graph.pb --hook attn-score --image A.png --text "a dog" --text "a cat"
      See where in an image each word draws attention:
        dsd-run graph.pb --hook attn-map:out=maps --image A.png --text "a dog on a sofa"
      Run any ONNX graph:
        dsd-run model.onnx --input x=x.npy --output y=y.npy
      The attention term of a bare UNet, per layer and batch element:
        dsd-run unet.onnx --hook attn-score --input sample=z.npy --input timestep=t.npy \\
          --input encoder_hidden_states=e.npy
      Keep intermediate values:
        dsd-run model.onnx --input x=x.npy --hook capture:op=Softmax,out=maps
      """,
    version: Program.version)

  @Argument(help: "The graph file: .pb or .onnx.")
  var graph: String?

  @Option(
    help: ArgumentHelp(
      "A hook with its options, NAME:key=value,…; 'list' tells which there are.", valueName: "hook"))
  var hook: [String] = []

  @Option(help: ArgumentHelp("An image to score or map (PNG or JPEG).", valueName: "file"))
  var image: [String] = []

  @Option(help: ArgumentHelp("A caption to score or map.", valueName: "caption"))
  var text: [String] = []

  @Option(help: ArgumentHelp("Feed a value from a .npy file.", valueName: "name=file"))
  var input: [NamedFile] = []

  @Option(
    help: ArgumentHelp("Write a value, any value of the graph, to a .npy file.", valueName: "name=file"))
  var output: [NamedFile] = []

  @Flag(help: "Print one JSON object on standard output.")
  var json = false

  @Option(help: "Run so many times and tell the seconds of each on standard error (not with --image).")
  var `repeat` = 1

  @Flag(help: "Tell on standard error where the time went, by operator (not with --image).")
  var profile = false

  @Flag(help: "Tell on standard error where recognition rules declined, and why.")
  var trace = false

  @OptionGroup(title: "Score") var matching: MatchingArguments
  @OptionGroup(title: "Graph") var arguments: GraphArguments

  func run() throws {
    try checkPlainOptions()
    if hook.contains("list") {
      print(HookSpec.listing)
      return
    }
    guard let graph else { throw ValidationError("the graph file is missing (dsd-run --help)") }
    let hooks = try hook.map { try HookSpec($0) }
    let scoring = hooks.first { $0.name == "attn-score" }
    let mapping = hooks.first { $0.name == "attn-map" }
    for name in ["attn-score", "attn-map"] where hooks.filter({ $0.name == name }).count > 1 {
      throw ValidationError("--hook \(name) is given twice")
    }
    if !image.isEmpty || !text.isEmpty {
      guard scoring != nil || mapping != nil else {
        throw ValidationError("--image and --text need --hook attn-score or attn-map")
      }
      try runMatching(graph, scoring, mapping, hooks)
    } else if mapping != nil {
      throw ValidationError("--hook attn-map needs --image and --text")
    } else if let scoring, input.isEmpty {
      throw ValidationError(
        "--hook \(scoring.name) needs --image and --text, or --input for a bare UNet")
    } else {
      try runPlain(graph, scoring, hooks)
    }
  }

  private func checkPlainOptions() throws {
    guard (1...1_000_000).contains(`repeat`) else {
      throw ValidationError("--repeat: \(`repeat`) is not between 1 and 1000000")
    }
    var names: Set<String> = []
    for item in input where !names.insert(item.name).inserted {
      throw ValidationError("--input \(item.name) is given twice")
    }
    names = []
    var paths: Set<String> = []
    for item in output {
      let path = URL(fileURLWithPath: item.path).standardizedFileURL.path
      guard names.insert(item.name).inserted, paths.insert(path).inserted || path == "/dev/null" else {
        throw ValidationError("--output \(item.name)=\(item.path) repeats a name or a file")
      }
    }
  }

  // MARK: Any graph

  private func runPlain(_ path: String, _ scoring: HookSpec?, _ specs: [HookSpec]) throws {
    if let scoring {
      let options = try matching.options(scoring)
      guard options.positions == .all, options.normalize == .none, options.pooling != .mass else {
        throw UsageError("--positions content, --pooling mass and --normalize need --image and --text")
      }
    }
    let loaded = try arguments.load(path)
    var feeds: [String: Tensor] = [:]
    for item in input { feeds[item.name] = try NPYFile.read(path: item.path) }
    for item in output { try OutputCheck.file(item.path) }
    let (extra, captures) = try makeHooks(specs)
    let pool = arguments.pool()
    var score: AttentionScore?
    if let scoring {
      let options = try matching.options(scoring)
      score = AttentionScore(
        selection: options.layers, pooling: options.pooling, batch: batch(loaded.graph, feeds))
    }
    // With a hook and no --output, only what the hook wants is computed.
    let wanted = output.isEmpty ? (specs.isEmpty || onlyReplaces(specs) ? nil : []) : output.map(\.name)
    var hooks = extra
    if let score { hooks.append(score) }
    let note: (@Sendable (String) -> Void)? = trace ? { @Sendable in Terminal.note($0) } : nil
    let preparation: Preparation
    do {
      preparation = try Preparation(
        loaded.graph, .standard,
        inputs: feeds.mapValues { TensorType($0.dtype, $0.shape) }, outputs: wanted,
        hooks: hooks, rewrites: [RuleSet.recognition, RuleSet.fusion], pool: pool, trace: note)
    } catch let error as DataError {
      throw error.at(path)
    }
    for capture in captures { try capture.checkSelection() }
    let plan = try Plan(preparation)
    let results = try timed(plan, feeds.merging(preparation.supplied) { $1 })
    for item in output { try NPYFile.write(results[item.name]!, to: item.path) }
    for capture in captures { try capture.finish() }
    if let score { try printScore(score) }
    if score == nil, output.isEmpty, wanted == nil {
      for info in preparation.graph.outputs { print("\(info.name): \(results[info.name]!)") }
    }
  }

  /// Runs once or as often as asked, and tells the times.
  private func timed(_ plan: Plan, _ feeds: [String: Tensor]) throws -> [String: Tensor] {
    let profile = self.profile ? Profile() : nil
    var results: [String: Tensor] = [:]
    for _ in 0..<`repeat` {
      let start = Date()
      results = try plan.run(feeds, profile: profile)
      if `repeat` > 1 { Terminal.note(String(format: "run: %.4f s", Date().timeIntervalSince(start))) }
    }
    if let profile { Terminal.note(ProfileReport.table(profile)) }
    return results
  }

  private func onlyReplaces(_ specs: [HookSpec]) -> Bool { specs.allSatisfy { $0.name == "replace" } }

  /// The first extent of the first fed input of the graph.
  private func batch(_ graph: Graph, _ feeds: [String: Tensor]) -> Int {
    for info in graph.inputs { if let tensor = feeds[info.name], tensor.rank > 1 { return tensor.shape[0] } }
    return 1
  }

  private func printScore(_ score: AttentionScore) throws {
    let perLayer = try score.layerScores()
    let layers = score.layers.map(\.name)
    let means = (0..<score.batch).map { element in
      perLayer.reduce(0) { $0 + $1[element] } / Double(max(perLayer.count, 1))
    }
    if json {
      struct Result: Encodable {
        let layers: [String]
        let per_layer: [[Double]]
        let attention: [Double]
      }
      print(try JSONText.encode(Result(layers: layers, per_layer: perLayer, attention: means)))
      return
    }
    var table = TextTable(
      ["layer"] + (0..<score.batch).map { "element \($0)" }, right: Set(1...max(score.batch, 1)))
    for (layer, values) in zip(layers, perLayer) {
      table.rows.append([layer] + values.map { String(format: "%.6f", $0) })
    }
    table.rows.append(["mean"] + means.map { String(format: "%.6f", $0) })
    print(table.text)
  }
}
