import CommandLineSupport
import Foundation
import MPIProcessGroup

struct EvalCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval",
    abstract: "Measure how often a model tells right from wrong pairs of images and captions.",
    discussion: """
      One run gives the table for the attention term alone, the bias alone and both, for several ways to read \
      attention, with 95 % confidence intervals over items:
        dsd eval graph.pb --items items.jsonl --samples 8 --results results.sqlite
      Published datasets are read as they are distributed:
        dsd eval graph.pb --dataset winoground --root winoground/ --results winoground.sqlite
      \(Datasets.all.map { "  \($0.name): \($0.files)" }.joined(separator: "\n"))
      With --results a run that was ended goes on where it was, and what another run has left is not computed again.
      Several machines share a run by --shard, each with a file of its own, which dsd merge puts together, or as \
      processes of mpirun, which fill one file.
      """)

  @Argument(help: "The pipeline's graph file.")
  var graph: String

  @OptionGroup(title: "Items") var list: DatasetArguments

  @Option(help: "Only the first so many items of each task.")
  var limit: Int?

  @Option(
    help: ArgumentHelp(
      "Ways to read attention, separated by commas: POOLING, POOLING@content, each alone or with /empty-caption, "
        + "/noise or /images.", valueName: "variants"))
  var variants = "logsumexp,max,mean,cosine"

  @Option(
    help:
      "What the attention of variants without a normalization of their own is told relative to: none, empty-caption, noise or images."
  )
  var normalize = Normalization.none

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
  @OptionGroup(title: "Sweep") var batch: BatchArguments

  @Option(
    help: ArgumentHelp(
      "Keep all terms in this SQLite file, and go on with what it has.", valueName: "file"))
  var results: String?

  @Option(
    help: ArgumentHelp(
      "Run only this part of the items, such as 2/5, and show no table; needs --results.",
      valueName: "number/count"))
  var shard: ShardArgument?

  @Option(help: ArgumentHelp("Write the table in Markdown; - is standard output.", valueName: "file"))
  var markdown: String?

  @Option(help: ArgumentHelp("Write the table as JSON; - is standard output.", valueName: "file"))
  var json: String?

  @Flag(help: "Tell what the run would take, after ten seconds of it, and end: nothing is kept.")
  var dryRun = false

  @OptionGroup(title: "Graph") var arguments: GraphArguments

  func validate() throws {
    if let limit, limit < 1 { throw ValidationError("--limit: \(limit) is not at least 1") }
    if shard != nil, results == nil { throw ValidationError("--shard: needs --results, to be merged") }
    if shard != nil, markdown != nil || json != nil {
      throw ValidationError("--shard: a part of the items has no table for --markdown or --json")
    }
    if markdown == "-", json == "-" {
      throw ValidationError("--markdown and --json cannot both go to standard output")
    }
  }

  func run() throws {
    let isGroup = MPIProcessGroup.isAsked && !dryRun
    if isGroup, results == nil {
      throw UsageError("mpirun: needs --results, which the processes fill together")
    }
    if isGroup, shard != nil {
      throw UsageError("mpirun: --shard is for processes that do not know of each other")
    }
    let group = isGroup ? try MPIProcessGroup() : nil
    try run(group)
    group?.finish()
  }

  private func run(_ group: MPIProcessGroup?) throws {
    let isFirst = group.map { $0.rank == 0 } ?? true
    if isFirst, arguments.threads == nil, let cores = group?.boundCores {
      Terminal.note(
        "note: mpirun ties each process to \(cores) cores; --bind-to none lets them use their share")
    }
    let options = try options()
    for path in [markdown, json].compactMap({ $0 }) where path != "-" { try OutputCheck.file(path) }
    try OutputCheck.distinct([("--markdown", markdown), ("--json", json)], from: results)
    let (chosen, badRows) = try chosenItems()
    let source = try list.source()
    let shared = try group.map { try SharedResults(path: results!, group: $0) }
    let evaluation = try Evaluation(
      try arguments.load(graph), items: chosen, images: source, options: options,
      results: try shared?.file ?? resultsFile(), skipsBad: list.skipBad)
    if let first = evaluation.bad.first, evaluation.bad.count == chosen.count {
      throw DataError("no item's images can be read; the first: \(first.place): \(first.reason)")
    }
    let known = chosen.count - evaluation.bad.count - evaluation.pending.count
    if known > 0, isFirst { Terminal.note("note: \(known) of \(chosen.count) items are known already") }
    let part = evaluation.pending.filter { shard?.takes($0) ?? true }
    if dryRun {
      tell(badRows + evaluation.bad)
      return try tell(evaluation.estimate(part))
    }
    if isFirst { try evaluation.describe(origin, bad: badRows) }
    let progress = Terminal.isInteractive && isFirst ? progress() : nil
    if let shared {
      try shared.run(evaluation, progress: progress)
    } else {
      try evaluation.run(part, progress: progress)
    }
    guard isFirst else { return }
    tell(badRows + evaluation.bad)
    if let shard, !evaluation.pending.isEmpty {
      print("shard \(shard.description): \(part.count) items run, kept in \(results!)")
    } else {
      try write(evaluation, badRows + evaluation.bad)
    }
  }

  /// The file of `--results`. Nothing is kept of a dry run, not even a new file.
  private func resultsFile() throws -> ResultsFile? {
    guard let results else { return nil }
    if dryRun, !FileManager.default.fileExists(atPath: results) { return nil }
    return try ResultsFile(path: results, isReadOnly: dryRun)
  }

  private var origin: RunOrigin {
    RunOrigin(
      version: Program.version, graph: graph, adapters: arguments.adapter, heads: head, dataset: list.dataset,
      items: list.path, images: list.folder)
  }

  private func tell(_ estimate: Evaluation.Estimate) {
    let rate = estimate.passesPerSecond.map { String(format: ", %.3g passes/s", $0) } ?? ""
    let time = estimate.seconds.map { ", about \(Terminal.duration($0))" } ?? ""
    print("\(estimate.items) items to run, \(estimate.passes) passes of the UNet\(rate)\(time)")
    print(
      "peak memory about \(Terminal.bytes(estimate.peakBytes)) beside \(Terminal.bytes(estimate.weightBytes)) of "
        + "weights, and up to \(Terminal.bytes(Int(sweep.holdMemory * 1e9))) for values held between passes")
  }

  private func options() throws -> EvaluationOptions {
    var options = EvaluationOptions()
    options.matching = try sweep.options()
    options.matching.batch = batch.captionsAtOnce
    options.variants = try NormalizedVariant.list(variants, normalize: normalize)
    if !layers.isEmpty { options.layers = layers.map { ($0, LayerSelection($0)) } }
    options.heads = try head.map { try Head($0) }
    options.threads = arguments.threadCount
    return options
  }

  private func chosenItems() throws -> ([EvaluationItem], [DatasetRows.Bad]) {
    var (chosen, bad) = try list.read()
    if let limit {
      var taken: [String: Int] = [:]
      chosen = chosen.filter { item in
        taken[item.task, default: 0] += 1
        return taken[item.task]! <= limit
      }
    }
    return (chosen, bad)
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

  /// Bad rows that are told one by one.
  private static let toldBad = 5

  private func tell(_ bad: [DatasetRows.Bad]) {
    for row in bad.prefix(EvalCommand.toldBad) {
      Terminal.note("note: left out: \(row.place): \(row.reason)")
    }
    if !bad.isEmpty { Terminal.note("note: \(bad.count) bad rows left out") }
  }

  private func write(_ evaluation: Evaluation, _ bad: [DatasetRows.Bad]) throws {
    let table = try evaluation.table()
    let report = EvaluationReport(
      notes: notes(evaluation, bad: bad.count), table: table, showsWholeItems: list.dataset == "winoground")
    if let markdown {
      if markdown == "-" {
        print(report.markdown, terminator: "")
      } else {
        try AtomicFile.write(Array(report.markdown.utf8), to: markdown)
      }
    }
    if let json {
      let text = try JSONText.encode(
        EvaluationSummary(graph: graph, items: list.name, evaluation: evaluation, bad: bad, table: table))
      if json == "-" { print(text) } else { try AtomicFile.write(Array("\(text)\n".utf8), to: json) }
    }
    if markdown != "-", json != "-" { print(report.text) }
    let unusable = table.groups.flatMap(\.directions).flatMap(\.results).contains { ($0?.unusable ?? 0) > 0 }
    if unusable { Terminal.note("note: some scores are not a number; their questions count as wrong") }
  }

  private func notes(_ evaluation: Evaluation, bad: Int) -> [String] {
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
    if bad > 0 { lines.append("\(bad) bad rows left out") }
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
  /// Rows and items that were left out.
  let bad: [DatasetRows.Bad]
  let table: EvaluationTable

  init(graph: String, items: String, evaluation: Evaluation, bad: [DatasetRows.Bad], table: EvaluationTable) {
    self.graph = graph
    self.bad = bad
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
