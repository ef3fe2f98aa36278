import GraphIR
import ONNXWire
import Operators
import Rewrites

/// A graph file, read and checked, with its weights and the folder of its tokenizers.
public struct LoadedGraph {
  public let path: String
  public let graph: Graph
  /// The checkpoint's folder.
  public let assets: String
  /// Tensors of the folder given as `weights` that the graph does not use.
  public let unusedWeights: [String]

  /// The precision asked for, beside what the file says.
  public let precision: ProductPrecision?

  /// Notes about the adapters, one line each.
  public let notes: [String]

  /// Reads a graph.
  /// - Parameters:
  ///   - weights: another checkpoint's folder, whose tensors are bound by name.
  ///   - adapters: files of adapters, attached in order.
  ///   - precision: of products, in nodes that do not ask for one themselves.
  ///   - memory: what weights may take; what the file asks for when nil.
  ///   - quantizes: whether weights of products are stored as int8.
  ///   - needsWeights: whether weights that are not where the graph says are an error.
  /// - Throws: `DataError` that names the file and the node or tensor at fault.
  public init(
    path: String, weights: String? = nil, adapters: [String] = [], precision: ProductPrecision? = nil,
    memory: MemoryUse? = nil, quantizes: Bool = false, needsWeights: Bool = true
  ) throws {
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
    var notes: [String] = []
    let files = try adapters.map { try AdapterFile(path: $0) }
    let isBound = graph.initializers.values.allSatisfy { $0.tensor != nil }
    let digest = isBound && files.contains { $0.trainedOn != nil } ? WeightDigest.hex(of: graph) : nil
    for file in files {
      if let digest, let trainedOn = file.trainedOn, trainedOn != digest {
        notes.append("\(file.path): the adapter was trained on other weights than \(weights ?? path) has")
      }
      graph = try file.attached(to: graph).graph
    }
    if quantizes {
      let quantized = WeightQuantization().apply(graph)
      guard quantized.count > 0 else {
        throw DataError("\(path): no weight of a product or convolution is large enough for int8")
      }
      graph = quantized.graph
    }
    if let memory { graph.metadata[MemoryUse.metadataKey] = memory == .full ? nil : memory.rawValue }
    self.notes = notes
    self.graph = precision.map(graph.asking) ?? graph
    self.precision = precision
    unusedWeights = unused
    let folder = FolderBoundary.folder(of: path)
    assets = weights ?? (home.isEmpty ? folder : "\(folder)/\(home)")
  }
}
