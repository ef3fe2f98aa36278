import Foundation
import ONNXWire
import Operators
import Rewrites

/// What an adapter has learned, in a safetensors file; `Specs/adapters.md` tells the keys.
public struct AdapterFile {
  /// The metadata that tells the adapter's kind; files of others have none.
  static let kindKey = "dsd.adapter"
  static let versionKey = "dsd.adapter_version"
  /// The digest of the weights that the adapter was trained on.
  static let digestKey = "dsd.trained_on"
  static let version = "1"

  public let path: String
  let file: SafetensorsFile
  private let kind: String

  /// Opens a file of ours, or one of LoRA as diffusers, peft and kohya's scripts write them.
  /// - Throws: `DataError` that names the file when it is none of these.
  public init(path: String) throws {
    self.path = path
    file = try SafetensorsFile(path: path)
    guard !file.keys.isEmpty else { throw DataError("\(path): the file has no tensors") }
    guard let kind = file.metadata[AdapterFile.kindKey] else {
      self.kind = "lora"
      return
    }
    self.kind = kind
    guard file.metadata[AdapterFile.versionKey] == AdapterFile.version else {
      let version = file.metadata[AdapterFile.versionKey] ?? "none"
      throw DataError("\(path): the version of the adapter, \(version), is not known")
    }
  }

  /// The graph with the adapter in it.
  /// - Throws: `DataError` that names the file, and the tensor where one is at fault.
  public func attached(to graph: Graph) throws -> AdaptedGraph {
    do {
      switch kind {
      case "prompt-tokens": return try attached(PromptTokens(file), to: graph)
      case "kv-tokens": return try attached(KeyValueTokens(file), to: graph)
      case "lora":
        let lora = try LoRAFile(file, modules: LoRA.modules(of: graph, .standard))
        let adapted = try LoRA(layers: lora.layers).attached(to: graph, .standard) { tensor in
          guard let value = lora.tensors[tensor.key] else { throw DataError("has no tensor '\(tensor.key)'") }
          // Files have matrices and the weights of 1×1 convolutions for each other.
          let fits = value.shape == Array(tensor.shape.prefix(2)) && value.count == Shape.count(tensor.shape)
          return fits ? value.reshaped(tensor.shape) : value
        }
        return adapted
      default: throw DataError("adapters of kind '\(kind)' are not known")
      }
    } catch let error as DataError {
      throw error.at(path)
    }
  }

  private func attached(_ adapter: some Adapter, to graph: Graph) throws -> AdaptedGraph {
    let adapted = try adapter.attached(to: graph, .standard) { tensor in
      guard file.entries[tensor.key] != nil else { throw DataError("has no tensor '\(tensor.key)'") }
      return try file.floats(tensor.key)
    }
    let used = Set(adapted.learned.map(\.key))
    if let unused = file.keys.first(where: { !used.contains($0) }) {
      throw DataError("the graph has no place for the tensor '\(unused)'")
    }
    return adapted
  }

  /// The digest of the weights that the adapter was trained on, where the file tells it.
  public var trainedOn: String? { file.metadata[AdapterFile.digestKey] }

  /// Writes what an adapter has learned.
  /// - Parameters:
  ///   - values: the learned tensors by their names in the graph; those of the graph when nil.
  ///   - weights: the digest of the weights it was trained on, see ``WeightDigest``.
  /// - Throws: `DataError` that names the file.
  public static func write(
    _ adapted: AdaptedGraph, values: [String: Tensor]? = nil, weights: String? = nil, to path: String
  ) throws {
    var metadata = try (adapted.adapter as? any StoredAdapter)?.metadata() ?? [:]
    metadata["format"] = "pt"
    metadata[kindKey] = adapted.adapter.kind
    metadata[versionKey] = version
    metadata[digestKey] = weights
    let tensors = try adapted.learned.map { learned in
      guard let tensor = values?[learned.name] ?? adapted.graph.initializers[learned.name]?.tensor else {
        throw DataError("\(path): cannot be written: '\(learned.name)' has no value")
      }
      return (learned.key, tensor)
    }
    try SafetensorsWriter.write(tensors, metadata: metadata, to: path)
  }
}

/// An adapter whose file says more than its tensors do.
protocol StoredAdapter: Adapter {
  /// What the file's metadata has to say so that the adapter can be made again.
  func metadata() throws -> [String: String]
}

extension SafetensorsFile {
  /// A tensor as float32.
  /// - Throws: `DataError` when it holds no floats.
  func floats(_ key: String) throws -> Tensor {
    let value = try tensor(key)
    guard value.dtype.isFloat else { throw DataError("the tensor '\(key)' holds \(value.dtype), not floats") }
    return value.converted(to: .float32)
  }
}
