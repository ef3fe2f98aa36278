import CommandLineSupport
import Foundation

struct ImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Make one graph file of a checkpoint.",
    discussion: """
      CHECKPOINT is a folder in diffusers' layout (model_index.json, unet/, vae/, text_encoder/, …) or of ONNX
      exports (unet/model.onnx and its siblings). Weights stay where they are: the graph points into the
      checkpoint's safetensors files, so it belongs into the same folder. Written elsewhere it needs
      --weights CHECKPOINT when it runs.
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
    let graph = try CheckpointImporter.importFolder(
      checkpoint, configOnly: configOnly, variant: variant
    ).validated(.standard)
    let path = output ?? "\(checkpoint)/graph.pb"
    try GraphWriter.write(graph, to: path)
    let inside = FolderPaths.isSame(FolderBoundary.folder(of: path), checkpoint)
    let seconds = String(format: "%.2f", Date().timeIntervalSince(start))
    print(
      "\(path): \(graph.nodes.count) nodes, \(Terminal.count(graph.parameterCount)) parameters, "
        + "written in \(seconds) s")
    if configOnly || !inside {
      Terminal.note("note: run it with --weights \(configOnly ? "CHECKPOINT" : checkpoint)")
    }
  }
}

enum FolderPaths {
  /// Whether two paths lead to one folder.
  static func isSame(_ a: String, _ b: String) -> Bool {
    URL(fileURLWithPath: a).resolvingSymlinksInPath().path
      == URL(fileURLWithPath: b).resolvingSymlinksInPath().path
  }
}
