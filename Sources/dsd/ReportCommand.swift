import CommandLineSupport
import Foundation
import Reports

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Make a report of a results file: one HTML page, or tables for papers.",
    discussion: """
      Needs no model: other poolings, layers, noise levels and heads are computed from what dsd eval has kept.
        dsd report results.sqlite -o report.html
        dsd report results.sqlite --variants max,mean/empty-caption --layers all --format latex
      With --graph the model runs once more for the items that are shown, and draws what each word looks at.
      """)

  enum Format: String, ExpressibleByArgument, CaseIterable {
    case html, markdown, csv, latex, jsonl
  }

  @Argument(help: "What `dsd eval --results` has written.")
  var results: String

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "The file to write; - is standard output (default for all but html).", valueName: "file"))
  var output: String?

  @Option(
    help:
      "html, one page with figures and items; markdown, csv or latex, the table; jsonl, every item's scores.")
  var format = Format.html

  @Option(
    name: .customLong("run"),
    help: ArgumentHelp(
      "The run's number in the file (default: the last one; --list tells them).", valueName: "number"))
  var number: Int?

  @Flag(help: "Tell the runs of the file, and end.")
  var list = false

  @Option(
    help: ArgumentHelp("Ways to read attention, as for dsd eval (default: the run's).", valueName: "variants")
  )
  var variants: String?

  @Option(help: "What variants without a normalization of their own are told relative to.")
  var normalize = Normalization.none

  @Option(
    help: ArgumentHelp(
      "Cross-attention layers to read; repeat it for several (default: the run's).", valueName: "layers"))
  var layers: [String] = []

  @Option(
    help: ArgumentHelp("A head to score with; repeat it for several (default: the run's).", valueName: "head")
  )
  var head: [String] = []

  @Option(help: "Terms of the score (default: the run's).")
  var score: MatchingOptions.Terms?

  @Option(
    help: ArgumentHelp("Only these of the run's noise levels, separated by commas.", valueName: "timesteps"))
  var timesteps: String?

  @Option(help: ArgumentHelp("Only these tasks or categories, separated by commas.", valueName: "tasks"))
  var tasks: String?

  @Option(
    help: ArgumentHelp(
      "The table's row that figures and items are of, from 1 (default: the first of both terms).",
      valueName: "number"))
  var row: Int?

  @Option(help: "How many of the best, the worst and the closest items are shown.")
  var items = 6

  @Option(
    help: ArgumentHelp("What images' paths are relative to (default: the run's folder).", valueName: "folder")
  )
  var images: String?

  @Option(
    help: ArgumentHelp(
      "The pipeline's graph file, to draw what the words of shown items look at.", valueName: "file"))
  var graph: String?

  @OptionGroup(title: "Graph") var arguments: GraphArguments

  func validate() throws {
    if !(0...1000).contains(items) { throw ValidationError("--items: \(items) is not between 0 and 1000") }
    if graph == nil, !arguments.adapter.isEmpty { throw ValidationError("--adapter: needs --graph") }
    if format != .html, graph != nil { throw ValidationError("--graph: only --format html has pictures") }
    _ = try SweepArguments.timesteps(timesteps)
  }

  func run() throws {
    let file = try ResultsFile(path: results, isReadOnly: true)
    if list { return try tellRuns(file) }
    let path = output ?? (format == .html ? (results as NSString).deletingPathExtension + ".html" : "-")
    if path != "-" { try OutputCheck.file(path) }
    try OutputCheck.distinct([("--output", path)], from: results)
    let evaluation = try StoredEvaluation(file, run: number, try changes())
    for note in evaluation.notes { Terminal.note("note: \(note)") }
    if evaluation.unanswered > 0 {
      Terminal.note(
        "note: \(evaluation.unanswered) items are not run yet, or not with what this needs, and left out")
    }
    let text =
      switch format {
      case .html: try page(evaluation)
      case .markdown: try markdown(evaluation)
      case .csv: ReportFormats.csv(try evaluation.table())
      case .latex: ReportFormats.latex(try evaluation.table())
      case .jsonl: try ReportFormats.jsonLines(evaluation)
      }
    if path == "-" {
      print(text, terminator: "")
    } else {
      try AtomicFile.write(Array(text.utf8), to: path)
      print("written: \(path)")
    }
  }

  private func tellRuns(_ file: ResultsFile) throws {
    var table = TextTable(
      ["run", "items", "dataset", "graph", "adapters", "noise levels", "seed", "score"], right: [0, 1])
    for run in try file.runs() {
      let about = run.description
      table.rows.append([
        "\(run.number)", "\(run.items)", "\(about.origin.dataset) in \(about.origin.items)",
        about.origin.graph,
        about.origin.adapters.joined(separator: ", "),
        about.levels.map { "\($0.timestep)" }.joined(separator: ","),
        about.seed.map { "\($0)" } ?? "file", about.score,
      ])
    }
    print(table.text)
  }

  private func changes() throws -> StoredEvaluation.Changes {
    var changes = StoredEvaluation.Changes()
    if let variants {
      changes.variants = try NormalizedVariant.list(variants, normalize: normalize)
    } else if normalize != .none {
      throw UsageError("--normalize: goes with --variants")
    }
    if !layers.isEmpty { changes.layers = layers.map { ($0, LayerSelection($0)) } }
    if !head.isEmpty { changes.heads = head == ["none"] ? [] : try head.map { try Head($0) } }
    changes.terms = score
    changes.timesteps = try SweepArguments.timesteps(timesteps)
    changes.tasks = tasks?.split(separator: ",").map(String.init)
    return changes
  }

  private func markdown(_ evaluation: StoredEvaluation) throws -> String {
    EvaluationReport(
      notes: notes(evaluation), table: try evaluation.table(),
      showsWholeItems: evaluation.run.description.origin.dataset == "winoground"
    ).markdown
  }

  private func notes(_ evaluation: StoredEvaluation) -> [String] {
    let about = evaluation.run.description
    return [
      "\(about.origin.dataset) in \(about.origin.items); graph \(about.origin.graph)",
      "timesteps: \(evaluation.timesteps.map(String.init).joined(separator: ", ")); "
        + "noise: \(about.seed.map { "seed \($0)" } ?? "from a file"); latent: \(about.latent)",
      "accuracy with 95 % intervals over items (bootstrap, \(Bootstrap.resamples) draws); ties count as wrong",
    ]
  }

  // MARK: The page

  private func page(_ evaluation: StoredEvaluation) throws -> String {
    let data = try ReportData(evaluation, row: row.map { $0 - 1 })
    let origin = evaluation.run.description.origin
    let folder = images ?? origin.images
    let source = try? ImageSource(folder: folder)
    if source == nil {
      Terminal.note(
        "note: there is no folder \(folder): the page has no pictures (--images tells where they are)")
    }
    let scratch = FileManager.default.temporaryDirectory.appendingPathComponent("dsd-report-\(getpid())").path
    defer { try? FileManager.default.removeItem(atPath: scratch) }
    var missing = 0
    var others = 0
    func picture(_ reference: ImageReference, _ digest: String) -> [UInt8]? {
      // A results file may come from anywhere, and name files that are none of its business.
      if images == nil, let source, (try? evaluation.isSame(reference, digest, source)) == false {
        others += 1
        return nil
      }
      guard let image = try? source?.image(reference),
        let png = try? image.thumbnailPNG(side: 280, scratch: scratch)
      else {
        missing += 1
        return nil
      }
      return png
    }
    var pictures = HTMLReport.Pictures(image: picture)
    if let graph, let source {
      let drawer = try WordMapDrawer(
        try arguments.load(graph), evaluation.run.description, threads: arguments.threadCount,
        scratch: scratch)
      pictures.maps = { [images] item, digests in
        let own = try item.right.map(\.image).filter { image in
          try images != nil || evaluation.isSame(item.images[image], digests[image], source)
        }
        return try drawer.sheets(of: item, images: Set(own), source)
      }
    }
    let name = (origin.items as NSString).lastPathComponent
    let title =
      "\(origin.dataset == "pairs" ? name : "\(origin.dataset) (\(name))"): \((origin.graph as NSString).lastPathComponent)"
    let text = try HTMLReport(data, title: title, pictures: pictures, shown: items).page()
    if others > 0 {
      Terminal.note(
        "note: \(others) images are not those that were scored, or cannot be told from others, and are named instead; "
          + "--images FOLDER shows them all the same")
    }
    if missing > 0, source != nil {
      Terminal.note("note: \(missing) images cannot be read and are named instead")
    }
    return text
  }
}

extension RGBImage {
  /// The bytes of a PNG file with the image made so small that its longer side has at most `side` pixels.
  fileprivate func thumbnailPNG(side: Int, scratch: String) throws -> [UInt8] {
    let longest = max(width, height)
    func scaled(_ length: Int) -> Int { max(1, (length * side + longest / 2) / longest) }
    let small =
      longest <= side ? self : resized(width: scaled(width), height: scaled(height), filter: .bicubic)
    try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
    let path = "\(scratch)/picture.png"
    try small.writePNG(to: path)
    return try MappedFile.withBytes(of: path) { Array($0) }
  }
}

/// Draws what the words of an item's right captions look at.
private final class WordMapDrawer {
  private let setup: MatchingSetup
  private let hook: AttentionMap
  private let scratch: String

  /// - Throws: `DataError` when it is another model than the run's.
  init(_ loaded: LoadedGraph, _ run: RunDescription, threads: Int, scratch: String) throws {
    self.scratch = scratch
    let digests = try loaded.digests()
    guard digests["graph"] == run.graph, digests["weights"] == run.weights else {
      throw DataError(
        "--graph: \(loaded.path) is not the model of the run, or has other adapters, weights or precision; that was \(run.origin.graph)"
          + (run.origin.adapters.isEmpty
            ? "" : " with --adapter \(run.origin.adapters.joined(separator: ", "))"))
    }
    var options = MatchingOptions()
    options.terms = nil
    options.timesteps = run.levels.map(\.timestep)
    options.seed = run.seed ?? 0
    options.latent = MatchingOptions.Latent(rawValue: run.latent) ?? .mean
    hook = AttentionMap(relative: .none)
    let description = try PipelineDescription(from: loaded.graph)
    let tokenizers = try PipelineTokenizers(description, of: loaded.graph, folder: loaded.assets)
    setup = try MatchingSetup(
      loaded.graph, tokenizers, options, hooks: [hook], pool: ThreadPool(threads: threads))
  }

  func sheets(of item: EvaluationItem, images: Set<Int>, _ source: ImageSource) throws -> [(
    label: String, png: [UInt8]
  )] {
    let size = setup.description.imageSize
    var seen: Set<Int> = []
    return try item.right.filter { images.contains($0.image) && seen.insert($0.image).inserted }.prefix(2)
      .enumerated().map {
        place, pair in
        let image = try source.image(item.images[pair.image])
        let text = item.texts[pair.text * item.wordings]
        let job = try MatchingJob(setup, imageNames: [item.images[pair.image].path], texts: [text]) { _ in
          image.tensor(width: size, height: size)
        }
        _ = try job.run()
        var files = WordMapFiles(folder: scratch)
        files.size = 128
        let paths = try files.write(hook.maps(image: 0, text: 0), image: place, text: 0, photo: image)
        return ("what each word of “\(text)” looks at", try MappedFile.withBytes(of: paths[0]) { Array($0) })
      }
  }
}
