import CGraphProto
import GraphIR

/// Reads graph files: ours and any other `.onnx`.
///
/// The file's own functions are expanded, their calls' names kept as scopes. Nodes without a name get that of
/// their first output. Nothing that a file says is trusted: lengths, counts, nesting and offsets are checked
/// before they are used.
public enum GraphReader {
  /// What happens with tensors that live outside the graph file.
  public enum Weights: Sendable {
    /// They are mapped from where the graph says.
    case bind
    /// They are left unbound, for ``GraphIR/Graph/bindingWeights(from:)``.
    case leave
  }

  /// Reads a file. External data is looked for in the file's folder.
  /// - Throws: `DataError` that names the file, and the node or tensor at fault.
  public static func read(path: String, weights: Weights = .bind) throws -> Graph {
    try MappedFile.withBytes(of: path) { bytes in
      try read(bytes, folder: FolderBoundary.folder(of: path), weights: weights)
    }
  }

  /// Reads the bytes of a file.
  /// - Parameter folder: where external data is; without one, only `.leave` accepts any.
  /// - Throws: `DataError` without the file's name.
  public static func read(
    _ bytes: UnsafeRawBufferPointer, folder: String? = nil, weights: Weights = .bind
  ) throws -> Graph {
    let graph = try withExtendedLifetime(
      WireMessage<Dsd__ModelProto>(bytes, as: dsd_model_descriptor())
    ) { message in
      var files: ExternalFiles?
      let model = message.content.pointee
      let reading = try ModelReading(model, fileSize: bytes.count) {
        if files == nil, let folder { files = try ExternalFiles(folder: folder) }
        return files
      }
      return try reading.graph(model)
    }
    guard weights == .bind, graph.hasUnboundWeights else { return graph }
    guard let folder else { throw DataError("tensors are in other files, and the graph has no folder") }
    return try graph.bindingExternalData(in: folder)
  }

  /// Reads the bytes of a file.
  public static func read(
    _ bytes: [UInt8], folder: String? = nil, weights: Weights = .bind
  ) throws -> Graph {
    try bytes.withUnsafeBytes { try read($0, folder: folder, weights: weights) }
  }
}

extension Graph {
  /// Whether an initializer, here or in a subgraph, has no elements yet.
  public var hasUnboundWeights: Bool {
    initializers.values.contains { $0.tensor == nil }
      || nodes.contains { $0.subgraphs.contains { $0.graph.hasUnboundWeights } }
  }
}
