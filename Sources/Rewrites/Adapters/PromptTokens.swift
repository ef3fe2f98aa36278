import Foundation
import GraphIR

/// Learned vectors behind the start token of every caption, inside the token embedding of each text encoder.
///
/// With k vectors the caption moves k positions to the right and is cut at the encoder's length. Its end token
/// stays: where it would be cut off, it takes the last position. The graph does this to ordinary ids, so that
/// whatever follows them, such as the place of the pooled state, follows.
///
/// All captions share the vectors, or each class has its own; then the graph has an input that tells the class of
/// each caption.
public struct PromptTokens: Adapter {
  /// The graph's metadata that tells by how many positions captions are moved.
  public static let metadataKey = "dsd.prompt_tokens"
  /// The input that tells classes: int64 `[batch, 1]`.
  public static let classInput = "prompt_class"
  /// The graph's metadata that names the classes, a JSON list.
  static let classesKey = "dsd.prompt_classes"

  public let kind = "prompt-tokens"
  /// k
  public let count: Int
  /// The id of the end token by the input of token ids. Where it is missing, it is what the graph itself looks
  /// for, or else the highest id of a caption.
  public let endTokens: [String: Int]

  /// The names of the classes; empty when all captions share the vectors.
  public let classes: [String]

  public init(count: Int, classes: [String] = [], endTokens: [String: Int] = [:]) {
    self.count = count
    self.classes = classes
    self.endTokens = endTokens
  }

  /// By how many positions the captions of a graph are moved; 0 in a graph without prompt tokens.
  /// - Throws: `DataError` when the metadata is malformed.
  public static func shift(of graph: Graph) throws -> Int {
    guard let text = graph.metadata[metadataKey] else { return 0 }
    guard let count = Int(text), (0...65536).contains(count) else {
      throw DataError("metadata '\(metadataKey)': '\(text)' is not a number of positions")
    }
    return count
  }

  /// The classes of a graph with prompt tokens for each class; empty in others.
  /// - Throws: `DataError` when the metadata is malformed.
  public static func classes(of graph: Graph) throws -> [String] {
    guard let text = graph.metadata[classesKey] else { return [] }
    guard let names = try? JSONDecoder().decode([String].self, from: Data(text.utf8)) else {
      throw DataError("metadata '\(classesKey)': a list of names expected")
    }
    return names
  }

  /// The name of an embedding's learned tensor in adapters' files.
  public static func key(_ embedding: TokenEmbedding) -> String { "\(embedding.component).prompt_tokens" }

  public func attached(
    to graph: Graph, _ operators: OperatorSet, values: (LearnedTensor) throws -> Tensor
  ) throws -> AdaptedGraph {
    guard graph.metadata[PromptTokens.metadataKey] == nil else {
      throw DataError("prompt tokens: the graph has prompt tokens already")
    }
    return try withoutActuallyEscaping(values) { values in
      let builder = try AdapterBuilder(graph, operators, kind: kind, values: values)
      let source = builder.g.graph
      var endTokens = endTokens
      if !classes.isEmpty { try addClassInput(builder) }
      for embedding in try TokenEmbedding.all(in: source, builder.types) {
        // The start, the learned ones and the end.
        guard count >= 1, count <= embedding.positions - 2 else {
          throw DataError(
            "prompt tokens: \(count) do not fit between start and end of \(embedding.positions) positions")
        }
        let end = endTokens[embedding.input] ?? embedding.endToken(in: source)
        endTokens[embedding.input] = end
        try builder.scope(embedding.component) {
          shift(embedding, end: end, nodes: source.nodes.indices, builder)
          try fill(embedding, builder)
        }
      }
      builder.g.edit { $0.metadata[PromptTokens.metadataKey] = "\(count)" }
      return try builder.finished(PromptTokens(count: count, classes: classes, endTokens: endTokens))
    }
  }

  /// Moves the ids that `nodes` see; the start token stands in the places of the learned vectors.
  private func shift(
    _ embedding: TokenEmbedding, end: Int?, nodes: Range<Int>, _ builder: AdapterBuilder
  ) {
    let g = builder.g
    let ids = Value(embedding.input)
    let last = embedding.positions - 1
    let places = (0...last).map { Int64(max($0 - count, 0)) }
    let moved = g.Gather(
      ids, g.constant(Tensor(places, shape: [places.count]), "places"), attributes: ["axis": .int(1)])
    let dtype = builder.types[embedding.input]?.dtype ?? .int64
    let end = end.map { g.constant(Tensor(scalar: Int64($0)).converted(to: dtype), "end_token") }
    let ranked = g.Cast(
      end.map { g.Equal(ids, $0) } ?? ids, attributes: ["to": .int(Int(DType.int32.rawValue))])
    let place = g.ArgMax(ranked, attributes: ["axis": .int(1), "keepdims": .int(1)])
    let isCut = g.Greater(place, g.constant(Tensor(scalar: Int64(last - count)), "last_place"))
    let isLast = g.constant(Tensor((0...last).map { $0 == last }, shape: [1, last + 1]), "is_last")
    let result = g.Where(
      g.And(isCut, isLast), end ?? g.GatherElements(ids, place, attributes: ["axis": .int(1)]), moved,
      name: "shifted_ids")
    g.edit { graph in
      for position in nodes {
        let node = graph.nodes[position]
        graph.nodes[position] = node.renamed(
          values: { $0 == embedding.input ? result.name : $0 }, to: node.name)
      }
    }
  }

  private func addClassInput(_ builder: AdapterBuilder) throws {
    let graph = builder.g.graph
    guard !graph.allNames.contains(PromptTokens.classInput) else {
      throw DataError("prompt tokens: the graph has a value '\(PromptTokens.classInput)' of its own")
    }
    guard Set(classes).count == classes.count else {
      throw DataError("prompt tokens: a class is named twice")
    }
    builder.g.input(PromptTokens.classInput, .int64, ["batch", 1])
    let names = String(decoding: try JSONEncoder().encode(classes), as: UTF8.self)
    builder.g.edit {
      $0.metadata[PromptTokens.classesKey] = names
      $0.describeTextInput(PromptTokens.classInput)
    }
  }

  /// Puts the learned vectors into their places.
  private func fill(_ embedding: TokenEmbedding, _ builder: AdapterBuilder) throws {
    let g = builder.g
    let positions = embedding.positions
    try builder.change(embedding.output) { tokens in
      let isShared = classes.isEmpty
      var vectors = try builder.learn(
        "prompt_tokens", key: PromptTokens.key(embedding),
        (isShared ? [] : [classes.count]) + [count, embedding.width],
        .normal(deviation: 0.02), as: builder.types[embedding.output]?.dtype ?? .float32)
      var (before, after) = ([1, 0], [positions - 1 - count, 0])
      if !isShared {
        let own = g.Gather(vectors, Value(PromptTokens.classInput), attributes: ["axis": .int(0)])
        vectors = g.Reshape(own, g.ints([-1, count, embedding.width]))
        (before, after) = ([0] + before, [0] + after)
      }
      let padded = g.Pad(vectors, g.ints(before + after, "pads"))
      let isOwn = (0..<positions).map { $0 == 0 || $0 > count }
      let mask = g.constant(Tensor(isOwn, shape: [positions, 1]), "is_own")
      return g.Where(mask, tokens, padded)
    }
  }
}

extension Graph {
  /// Notes in a pipeline's description that an input goes with the caption.
  fileprivate mutating func describeTextInput(_ name: String) {
    let key = "dsd.pipeline"
    guard let text = metadata[key],
      var description = try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any],
      var axes = description["axes"] as? [String: Any]
    else { return }
    axes[name] = "text"
    description["axes"] = axes
    let options: JSONSerialization.WritingOptions = [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? JSONSerialization.data(withJSONObject: description, options: options) else {
      return
    }
    metadata[key] = String(decoding: data, as: UTF8.self)
  }
}
