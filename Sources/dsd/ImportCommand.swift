import CommandLineSupport
import Foundation

struct ImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Make one graph file of a checkpoint.",
    discussion: """
      CHECKPOINT is a folder in diffusers' layout (model_index.json, unet/, vae/, text_encoder/, …) or of ONNX
      exports (unet/model.onnx and its siblings). Weights stay where they are: the graph points into the
      checkpoint's safetensors files, so it belongs into the same folder or one above it. Written elsewhere it
      needs --weights CHECKPOINT when it runs.
      """)

  @Argument(help: "The checkpoint's folder.")
  var checkpoint: String

  @Option(name: .shortAndLong, help: "The graph file (default: graph.pb in the checkpoint's folder).")
  var output: String?

  @Option(help: "Which of several weight files to use, such as fp16.")
  var variant: String?

  @Flag(help: "Make the graph from the configurations alone, without weights.")
  var configOnly = false

  func run() throws {
    let start = Date()
    var graph = try CheckpointImporter.importFolder(
      checkpoint, configOnly: configOnly, variant: variant
    ).validated(.standard)
    let path = output ?? "\(checkpoint)/graph.pb"
    let home = FolderPaths.relative(checkpoint, to: FolderBoundary.folder(of: path))
    if let home, !home.isEmpty, !configOnly { graph = graph.relocated(checkpoint: home) }
    try GraphWriter.write(graph, to: path)
    let seconds = String(format: "%.2f", Date().timeIntervalSince(start))
    print(
      "\(path): \(graph.nodes.count) nodes, \(Terminal.count(graph.parameterCount)) parameters, "
        + "written in \(seconds) s")
    if configOnly || home == nil {
      Terminal.note("note: run it with --weights \(configOnly ? "CHECKPOINT" : checkpoint)")
    }
  }
}

enum FolderPaths {
  /// The way from one folder down to another, empty when they are the same, nil when it is not inside.
  static func relative(_ folder: String, to base: String) -> String? {
    let inner = URL(fileURLWithPath: folder).resolvingSymlinksInPath().pathComponents
    let outer = URL(fileURLWithPath: base).resolvingSymlinksInPath().pathComponents
    guard inner.starts(with: outer) else { return nil }
    return inner.dropFirst(outer.count).joined(separator: "/")
  }
}
