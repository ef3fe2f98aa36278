import CommandLineSupport

extension LoadedGraph {
  /// The folder of this graph's file, relative to that of a new one.
  /// - Throws: `DataError` when the new file is not in this one's folder, or above it.
  func home(for output: String) throws -> String {
    let target = FolderBoundary.folder(of: output)
    guard let home = FolderPaths.relative(FolderBoundary.folder(of: path), to: target) else {
      throw DataError("\(output): is not in the folder of \(path), or above it")
    }
    return home
  }

  /// Writes a graph that was made of this one. Weights stay in their files.
  /// - Throws: `DataError` when the new file is not in this one's folder, or above it.
  func write(_ graph: Graph, to output: String) throws {
    let home = try home(for: output)
    let result = home.isEmpty ? graph : graph.relocated(checkpoint: home)
    try GraphWriter.write(result.validated(.standard), to: output, operators: .standard)
  }
}
