import GraphIR

/// Learned keys and values that every query of a cross-attention layer sees besides the caption's, k of each per
/// layer, behind the text positions.
public struct KeyValueTokens: Adapter {
  public let kind = "kv-tokens"
  /// k
  public let count: Int
  /// diffusers' names of the layers; all cross-attention layers of the UNet when nil.
  public let layers: [String]?

  public init(count: Int, layers: [String]? = nil) {
    self.count = count
    self.layers = layers
  }

  /// The names of a layer's learned tensors in adapters' files.
  static func keys(of layer: String) -> (keys: String, values: String) {
    ("unet.\(layer).key_tokens", "unet.\(layer).value_tokens")
  }

  public func attached(
    to graph: Graph, _ operators: OperatorSet, values: (LearnedTensor) throws -> Tensor
  ) throws -> AdaptedGraph {
    guard (1...65536).contains(count) else {
      throw DataError("key and value tokens: \(count) is not between 1 and 65536")
    }
    return try withoutActuallyEscaping(values) { values in
      let builder = try AdapterBuilder(graph, operators, kind: kind, values: values)
      let sites = try sites(builder.g.graph)
      for attention in sites {
        let names = KeyValueTokens.keys(of: attention.layer.name)
        try builder.scope("unet/\(attention.layer.name)") {
          try append("key_tokens", names.keys, to: attention.node, input: 1, builder)
          try append("value_tokens", names.values, to: attention.node, input: 2, builder)
        }
      }
      return try builder.finished(KeyValueTokens(count: count, layers: sites.map(\.layer.name)))
    }
  }

  private func sites(_ graph: Graph) throws -> [UNetAttention] {
    let cross = try UNetAttention.all(in: graph).filter { $0.layer.role == .cross }
    guard !cross.isEmpty else {
      throw DataError("key and value tokens: the graph has no cross-attention layers to adapt")
    }
    guard let layers else { return cross }
    let known = Dictionary(cross.map { ($0.layer.name, $0) }, uniquingKeysWith: { first, _ in first })
    return try layers.map { name in
      guard let site = known[name] else {
        throw DataError("key and value tokens: the graph has no cross-attention layer '\(name)'")
      }
      return site
    }
  }

  /// Appends learned rows `[k, width]` to the keys or the values of an attention.
  private func append(
    _ name: String, _ key: String, to attention: Node, input: Int, _ builder: AdapterBuilder
  ) throws {
    let value = attention.inputs[input]
    // A mask and a past would need positions for the learned tokens as well.
    if attention.inputs.dropFirst(3).contains(where: { !$0.isEmpty }) {
      throw DataError("key and value tokens: \(attention.label) has a mask or a past")
    }
    guard let type = builder.types[value], let shape = type.shape, let width = shape.last?.value,
      let heads = shape.count == 4 ? shape[1].value : 1
    else {
      throw DataError(
        "key and value tokens: \(attention.label): the width of its keys and values is not known")
    }
    let g = builder.g
    var tokens = try builder.learn(
      name, key: key, [count, heads * width], .normal(deviation: 0.02), as: type.dtype)
    var ones = [1, 1]
    if shape.count == 4 {
      tokens = g.Transpose(
        g.Reshape(tokens, g.ints([count, heads, width])), attributes: ["perm": .ints([1, 0, 2])])
      ones = [1, 1, 1]
    }
    let batch = g.Slice(g.Shape(Value(value)), g.ints([0], "starts"), g.ints([1], "ends"))
    let shared = g.Expand(tokens, g.Concat(batch, g.ints(ones), attributes: ["axis": .int(0)]))
    let joined = g.Concat(Value(value), shared, attributes: ["axis": .int(-2)], name: "\(name)_appended")
    g.edit { graph in
      let position = graph.nodes.firstIndex { $0.name == attention.name && $0.op == attention.op }!
      graph.nodes[position].inputs[input] = joined.name
    }
  }
}
