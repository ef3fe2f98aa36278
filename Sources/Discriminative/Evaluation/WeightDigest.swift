import GraphIR
import ONNXWire

extension LoadedGraph {
  /// The digest of the graph file's bytes, and of a precision that was asked for and is not that of every graph.
  /// - Throws: `DataError` when it cannot be read.
  public func fileDigest() throws -> String {
    var hash = SHA256()
    try MappedFile.withBytes(of: path) { hash.update($0) }
    if let precision, precision != .float32 { hash.update(precision.rawValue) }
    return hash.hex
  }

  /// What tells this model from others: the digests of the graph file and of the weights.
  /// - Throws: `DataError` when the file cannot be read.
  public func digests() throws -> [String: String] {
    ["graph": try fileDigest(), "weights": WeightDigest.hex(of: graph)]
  }
}

/// A digest that tells the weights of one checkpoint from another's without reading gigabytes.
public enum WeightDigest {
  /// Tensors up to this many bytes go in as a whole; of larger ones the first, middle and last quarter of it.
  static let sample = 1 << 16

  /// The digest of names, types, shapes and bytes of all initializers.
  public static func hex(of graph: Graph) -> String {
    var hash = SHA256()
    for (name, initializer) in graph.initializers.sorted(by: { $0.key < $1.key }) {
      hash.update(name)
      hash.update("\(initializer.dtype)")
      hash.update("\(initializer.shape)")
      guard let tensor = initializer.tensor else { continue }
      let bytes = UnsafeRawBufferPointer(start: tensor.pointer, count: tensor.byteCount)
      if bytes.count <= sample {
        hash.update(bytes)
        continue
      }
      let piece = sample / 4
      for start in [0, (bytes.count - piece) / 2, bytes.count - piece] {
        hash.update(UnsafeRawBufferPointer(rebasing: bytes[start..<start + piece]))
      }
    }
    return hash.hex
  }
}
