import CommandLineSupport

/// Items of a file, of some tasks.
struct ItemArguments: ParsableArguments {
  @Option(
    name: [.long, .customLong("data")],
    help: ArgumentHelp("The items, one JSON object a line.", valueName: "file"))
  var items: String

  @Option(
    help: ArgumentHelp(
      "What images' paths are relative to (default: the items' folder).", valueName: "folder"))
  var images: String?

  @Option(help: ArgumentHelp("Only these tasks, separated by commas.", valueName: "tasks"))
  var tasks: String?

  func read() throws -> [EvaluationItem] { try ItemArguments.read(items, tasks: tasks) }

  func source() throws -> ImageSource { try ImageSource(folder: images ?? FolderBoundary.folder(of: items)) }

  /// - Parameter tasks: names separated by commas; all when nil.
  /// - Throws: `DataError` when a task is not in the file.
  static func read(_ path: String, tasks: String?, _ rows: DatasetRows = DatasetRows()) throws
    -> [EvaluationItem]
  {
    try chosen(ItemReader.read(path: path, rows), tasks: tasks, from: path)
  }

  /// Those of some tasks or categories.
  /// - Parameter tasks: names separated by commas; all when nil.
  /// - Throws: `DataError` when none of the items is of one.
  static func chosen(_ items: [EvaluationItem], tasks: String?, from path: String) throws -> [EvaluationItem]
  {
    guard let tasks else { return items }
    let wanted = tasks.split(separator: ",").map(String.init)
    guard !wanted.isEmpty else { throw DataError("--tasks: none is named") }
    var known: [String] = []
    for name in items.flatMap({ [$0.task] + ($0.category.map { [$0] } ?? []) }) where !known.contains(name) {
      known.append(name)
    }
    if let missing = wanted.first(where: { !known.contains($0) }) {
      throw DataError("--tasks: \(path) has no task '\(missing)'; it has \(known.joined(separator: ", "))")
    }
    return items.filter { wanted.contains($0.task) || $0.category.map(wanted.contains) ?? false }
  }
}
