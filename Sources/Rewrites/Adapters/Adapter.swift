import GraphIR

/// A rewrite that adds learnable values to a graph: prompt tokens, key and value tokens, LoRA.
///
/// What is learned are ordinary initializers, so an adapted graph runs, can be written to a file, and can be fed
/// other values under their names. It is applied to a graph as its file has it, before `Preparation`.
public protocol Adapter: Sendable {
  /// `prompt-tokens`, `kv-tokens` or `lora`.
  var kind: String { get }

  /// The graph with the adapter's nodes in it.
  /// - Parameter values: gives the elements of each learned tensor, float32 of its shape; asked in order.
  /// - Throws: `DataError` when the graph has no place for the adapter, a value has another type, and whatever
  ///   `values` throws.
  func attached(
    to graph: Graph, _ operators: OperatorSet, values: (LearnedTensor) throws -> Tensor
  ) throws -> AdaptedGraph
}

/// A tensor that an adapter learns, float32.
public struct LearnedTensor: Sendable, Equatable {
  /// What the elements are before anything is learned.
  public enum Start: Sendable, Equatable {
    case zeros
    /// Normals around 0.
    case normal(deviation: Float)
    /// Evenly between −bound and bound.
    case uniform(bound: Float)
  }

  /// The initializer of the adapted graph, such as `adapter/text_encoder/prompt_tokens`.
  public let name: String
  /// The name in an adapter's file, such as `text_encoder.prompt_tokens`.
  public let key: String
  public let shape: [Int]
  public let start: Start

  /// The same tensor with another start.
  public func starting(_ start: Start) -> LearnedTensor {
    LearnedTensor(name: name, key: key, shape: shape, start: start)
  }
}

/// A graph with an adapter in it.
public struct AdaptedGraph: Sendable {
  public var graph: Graph
  /// The adapter with everything settled that the graph has decided, so that a file can tell it.
  public var adapter: any Adapter
  /// What is learned, in the adapter's order; the values are the graph's initializers of these names.
  public var learned: [LearnedTensor]
}
