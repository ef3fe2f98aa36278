/// What the factors of matrix products, convolutions and attention are rounded to before they are multiplied. Sums,
/// and all that is no product, are float32 (or float64, which nothing rounds).
public enum ProductPrecision: String, Sendable, CaseIterable {
  case float32
  case bfloat16

  /// The key of a node's metadata that asks for a precision: a graph file may hold it node by node.
  public static let metadataKey = "dsd.precision"
}

extension Graph {
  /// The graph with a precision asked for in every node that does not ask for one itself.
  public func asking(for precision: ProductPrecision) -> Graph {
    var graph = self
    for position in graph.nodes.indices
    where graph.nodes[position].metadata[ProductPrecision.metadataKey] == nil {
      graph.nodes[position].metadata[ProductPrecision.metadataKey] = precision.rawValue
    }
    return graph
  }
}

extension Node {
  /// The key of a convolution's metadata that settles which of Winograd's tiles it may use.
  public static let winogradKey = "dsd.winograd"

  /// Keys of metadata that decide the last bits of what a node computes.
  public static let numericKeys: Set = [ProductPrecision.metadataKey, winogradKey]

  /// The precision that the node's metadata asks for.
  /// - Throws: `DataError` when there is none of that name.
  public func productPrecision() throws -> ProductPrecision {
    guard let text = metadata[ProductPrecision.metadataKey] else { return .float32 }
    guard let precision = ProductPrecision(rawValue: text) else {
      let known = ProductPrecision.allCases.map(\.rawValue).joined(separator: " or ")
      throw DataError("metadata '\(ProductPrecision.metadataKey)': '\(text)' is not \(known)")
    }
    return precision
  }
}
