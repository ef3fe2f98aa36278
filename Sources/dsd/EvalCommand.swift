import CommandLineSupport
import Foundation

struct EvalCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval",
    abstract: "Measure how often a model tells right from wrong pairs of images and captions.",
    discussion: """
      One run gives the table for the attention term alone, the bias alone and both, for several ways to read \
      attention, with 95 % confidence intervals over items:
        dsd eval graph.pb --dataset pairs --items items.jsonl --samples 8 --results results.jsonl
      With --results a run that was ended goes on where it was.
      """)

  enum Dataset: String, ExpressibleByArgument, CaseIterable {
    case pairs
  }

  @Argument(help: "The pipeline's graph file.")
  var graph: String

  @Option(help: "The kind of benchmark; pairs is a file of items, one JSON object a line.")
  var dataset = Dataset.pairs

  @OptionGroup(title: "Items") var list: ItemArguments

  @Option(help: "Only the first so many items of each task.")
  var limit: Int?

  @Option(
    help: ArgumentHelp(
      "Ways to read attention, separated by commas: POOLING, POOLING@content, each alone or with /empty-caption, "
        + "/noise or /images.", valueName: "variants"))
  var variants = "logsumexp,max,mean,cosine"

  @Option(
    help: ArgumentHelp(
      "Cross-attention layers to read: official, all or patterns separated by commas. Repeat it for several; "
        + "default official and all.", valueName: "layers"))
  var layers: [String] = []

  @Option(
    help: ArgumentHelp(
      "A head to score with as well: a name or a graph file; repeat it for several.", valueName: "head"))
  var head: [String] = []

  @OptionGroup(title: "Sweep") var sweep: SweepArguments

  @Option(
    help: ArgumentHelp("Keep all terms in this file, and go on with what it has.", valueName: "file"))
  var results: String?

  @Option(help: ArgumentHelp("Write the table in Markdown; - is standard output.", valueName: "file"))
  var markdown: String?

  @Option(help: ArgumentHelp("Write the table as JSON; - is standard output.", valueName: "file"))
  var json: String?

  @OptionGroup(title: "Graph") var arguments: GraphArguments

  func validate() throws {
    if let limit, limit < 1 { throw ValidationError("--limit: \(limit) is not at least 1") }
    if markdown == "-", json == "-" {
      throw ValidationError("--markdown and --json cannot both go to standard output")
    }
  }

  func run() throws {
    let options = try options()
    for path in [markdown, json].compactMap({ $0 }) where path != "-" { try OutputCheck.file(path) }
    let chosen = try chosenItems()
    let source = try list.source()
    let evaluation = try Evaluation(
      try arguments.load(graph), items: chosen, images: source, options: options, results: results)
    let known = chosen.count - evaluation.pending.count
    if known > 0 { Terminal.note("note: \(known) of \(chosen.count) items are known already") }
    try evaluation.run(progress: Terminal.isInteractive ? progress() : nil)
    try write(evaluation)
  }

  private func options() throws -> EvaluationOptions {
    var options = EvaluationOptions()
    options.matching = try sweep.options()
    options.variants = []
    for text in variants.split(separator: ",", omittingEmptySubsequences: false) {
      let variant = try NormalizedVariant(String(text))
      if !options.variants.contains(variant) { options.variants.append(variant) }
    }
    if !layers.isEmpty { options.layers = layers.map { ($0, LayerSelection($0)) } }
    options.heads = try head.map { try Head($0) }
    options.threads = arguments.threadCount
    return options
  }

  private func chosenItems() throws -> [EvaluationItem] {
    var chosen = try list.read()
    if let limit {
      var taken: [String: Int] = [:]
      chosen = chosen.filter { item in
        taken[item.task, default: 0] += 1
        return taken[item.task]! <= limit
      }
    }
    return chosen
  }

  /// Items, their rate and the time left. Rate and time go by passes, as items differ.
  private func progress() -> (Evaluation.Progress) -> Void {
    let start = Date()
    return { state in
      let seconds = Date().timeIntervalSince(start)
      var text = "\r\u{1B}[Kitem \(state.items)/\(state.allItems)"
      if state.passes > 0, seconds > 0 {
        let rate = Double(state.passes) / seconds
        let left = Double(state.allPasses - state.passes) / rate
        text += String(format: ", %.1f passes/s, %@ left", rate, Terminal.duration(left))
      }
      if state.items == state.allItems { text = "\r\u{1B}[K" }
      FileHandle.standardError.write(Data(text.utf8))
    }
  }

  private func write(_ evaluation: Evaluation) throws {
    let table = try evaluation.table()
    let report = EvaluationReport(notes: notes(evaluation), table: table)
    if let markdown {
      if markdown == "-" {
        print(report.markdown, terminator: "")
      } else {
        try AtomicFile.write(Array(report.markdown.utf8), to: markdown)
      }
    }
    if let json {
      let text = try JSONText.encode(
        EvaluationSummary(graph: graph, items: list.items, evaluation: evaluation, table: table))
      if json == "-" { print(text) } else { try AtomicFile.write(Array("\(text)\n".utf8), to: json) }
    }
    if markdown != "-", json != "-" { print(report.text) }
    let unusable = table.groups.flatMap(\.directions).flatMap(\.results).contains { ($0?.unusable ?? 0) > 0 }
    if unusable { Terminal.note("note: some scores are not a number; their questions count as wrong") }
  }

  private func notes(_ evaluation: Evaluation) -> [String] {
    let steps = evaluation.timesteps.map(String.init).joined(separator: ", ")
    var lines = [
      "timesteps: \(steps); noise: \(sweep.noise ?? "seed \(sweep.seed)"); latent: \(sweep.latent.rawValue)"
    ]
    let selected = evaluation.choices.compactMap(\.layers)
    for (name, _) in evaluation.options.layers {
      guard let layers = selected.first(where: { $0.name == name }) else { continue }
      lines.append("layers \(name): \(layers.indices.count) of \(evaluation.layers.count)")
    }
    lines.append(
      "accuracy with 95 % intervals over items (bootstrap, \(Bootstrap.resamples) draws); ties count as wrong"
    )
    if sweep.officialCompat { lines.append("as the official code: --official-compat") }
    return lines
  }
}

/// The table as `--json` writes it.
private struct EvaluationSummary: Encodable {
  let graph: String
  let items: String
  let timesteps: [Int]
  /// Names of the layers under each name of a selection.
  let layers: [String: [String]]
  let table: EvaluationTable

  init(graph: String, items: String, evaluation: Evaluation, table: EvaluationTable) {
    self.graph = graph
    self.items = items
    timesteps = evaluation.timesteps
    var layers: [String: [String]] = [:]
    for choice in evaluation.choices {
      if let used = choice.layers { layers[used.name] = used.indices.map { evaluation.layers[$0] } }
    }
    self.layers = layers
    self.table = table
  }
}
