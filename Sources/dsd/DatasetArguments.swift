import CommandLineSupport

/// A benchmark: a published one from its files, or a file of items.
struct DatasetArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The kind of benchmark: pairs (a file of items, see --items) or \(Datasets.all.map { $0.name }.joined(separator: ", ")).",
      valueName: "name"))
  var dataset = "pairs"

  @Option(
    help: ArgumentHelp("The folder of a published dataset's files (see above).", valueName: "folder"))
  var root: String?

  @Option(
    name: [.long, .customLong("data")],
    help: ArgumentHelp("The items of --dataset pairs, one JSON object a line.", valueName: "file"))
  var items: String?

  @Option(
    help: ArgumentHelp(
      "What images' paths are relative to (default: the items' folder, or --root).", valueName: "folder"))
  var images: String?

  @Option(help: ArgumentHelp("Only these tasks or categories, separated by commas.", valueName: "tasks"))
  var tasks: String?

  @Option(
    help: ArgumentHelp("The part of the dataset, such as val or train for refcocog.", valueName: "name"))
  var split: String?

  @Option(
    help: ArgumentHelp(
      "Seed that wrong images or captions are drawn with (vqa-binary, refcocog).", valueName: "seed"))
  var drawSeed: UInt64 = 0

  @Option(
    help: ArgumentHelp(
      "A caption for imagefolder's classes, {} standing for the name; repeat it to average the scores of several "
        + "(default: a photo of a {}.).", valueName: "caption"))
  var template: [String] = []

  @Option(
    help: ArgumentHelp("Names of imagefolder's classes: a line FOLDER NAME for each.", valueName: "file"))
  var classNames: String?

  @Flag(help: "Leave out rows that are no items and images that cannot be read, and count them.")
  var skipBad = false

  func validate() throws {
    if dataset == "pairs" {
      if items == nil { throw ValidationError("Missing expected argument '--items <file>'") }
      if root != nil { throw ValidationError("--root: --dataset pairs has --items and --images") }
      return
    }
    guard Datasets.named(dataset) != nil else {
      throw ValidationError(
        "--dataset: '\(dataset)' is not pairs, \(Datasets.all.map { $0.name }.joined(separator: ", "))")
    }
    if items != nil { throw ValidationError("--items: --dataset \(dataset) has --root") }
    if root == nil { throw ValidationError("--dataset \(dataset): needs --root, the folder of its files") }
  }

  /// What was read: the items, and the rows that are none.
  func read() throws -> (items: [EvaluationItem], bad: [DatasetRows.Bad]) {
    let rows = DatasetRows(skipsBad: skipBad)
    guard let type = Datasets.named(dataset), let root else {
      return (try ItemArguments.read(items!, tasks: tasks, rows), rows.bad)
    }
    var options = DatasetOptions()
    options.split = split
    options.drawSeed = drawSeed
    if !template.isEmpty { options.templates = template }
    options.classNames = classNames
    let items = try type.init(options).items(in: DatasetFolder(root, images: images ?? root), rows)
    guard !items.isEmpty else { throw rows.nothing(in: root) }
    return (try ItemArguments.chosen(items, tasks: tasks, from: root), rows.bad)
  }

  func source() throws -> ImageSource {
    try ImageSource(folder: folder)
  }

  /// What images' paths are relative to.
  var folder: String { images ?? root ?? FolderBoundary.folder(of: items!) }
  /// The file of items, or the dataset's folder.
  var path: String { items ?? root! }

  /// What the items are of, for the results.
  var name: String { items ?? "\(dataset) in \(root!)" }
}
