/// How much memory a model's weights may take while it runs.
public enum MemoryUse: String, Sendable, CaseIterable {
  /// As float32, as a whole.
  case full
  /// As they are stored. What a node computes with is made right before it and given back after it, and so is what of
  /// files had to be read for it.
  case low

  /// The key of a graph's metadata that asks for it.
  public static let metadataKey = "dsd.memory"
}

extension Graph {
  /// What the graph's metadata asks for.
  /// - Throws: `DataError` when there is none of that name.
  public func memoryUse() throws -> MemoryUse {
    guard let text = metadata[MemoryUse.metadataKey] else { return .full }
    guard let use = MemoryUse(rawValue: text) else {
      throw DataError("metadata '\(MemoryUse.metadataKey)': '\(text)' is not full or low")
    }
    return use
  }
}
