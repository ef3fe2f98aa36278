import GraphIR
import ONNXWire
import Operators

/// A graph file, read and checked, with its weights and the folder of its tokenizers.
public struct LoadedGraph {
  public let path: String
  public let graph: Graph
  /// The checkpoint's folder.
  public let assets: String
  /// Tensors of the folder given as `weights` that the graph does not use.
  public let unusedWeights: [String]

  /// Reads a graph.
  /// - Parameters:
  ///   - weights: another checkpoint's folder, whose tensors are bound by name.
  ///   - needsWeights: whether weights that are not where the graph says are an error.
  /// - Throws: `DataError` that names the file and the node or tensor at fault.
  public init(path: String, weights: String? = nil, needsWeights: Bool = true) throws {
    self.path = path
    let read = try GraphReader.read(path: path, weights: weights == nil && needsWeights ? .bind : .leave)
    var graph: Graph
    do {
      graph = try read.validated(.standard)
    } catch let error as DataError {
      throw error.at(path)
    }
    let home = graph.metadata[WeightBinder.checkpointKey] ?? ""
    guard home.isEmpty || FolderBoundary.isInside(home) else {
      throw DataError(
        "\(path): metadata '\(WeightBinder.checkpointKey)': '\(home)' is not inside the graph's folder")
    }
    var unused: [String] = []
    if let weights {
      let bound = try WeightBinder.bind(graph, to: weights)
      graph = bound.graph
      unused = bound.unused
    }
    self.graph = graph
    unusedWeights = unused
    let folder = FolderBoundary.folder(of: path)
    assets = weights ?? (home.isEmpty ? folder : "\(folder)/\(home)")
  }
}
