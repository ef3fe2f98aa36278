import GraphIR

/// What stands for the operators of the domain `com.microsoft` that ONNX Runtime's optimizer writes.
enum ContribExpansion {
  /// Gives the values of the node's outputs, in order; trailing ones that nobody wants may be left out.
  typealias Body = @Sendable (ContribCall) throws -> [Value?]

  static let domain = "com.microsoft"

  private static let bodies: [String: Body] = activations.merging(normalizations) { $1 }
    .merging(products) { $1 }.merging(attentions) { $1 }.merging(quantized) { $1 }

  /// The expansion of a node. ONNX Runtime has one operator of its own in the default domain.
  static func body(of node: Node) -> Body? {
    if node.domain == domain { return bodies[node.op] }
    return node.domain.isEmpty && node.op == "SimplifiedLayerNormalization" ? bodies[node.op] : nil
  }
}

extension ModelReading {
  /// Appends the nodes that stand for `node`. Their names have its name as a scope; constants become nodes.
  func expand(
    _ node: Node, _ body: ContribExpansion.Body, to nodes: inout [Node], _ namer: inout NodeNamer
  ) throws {
    let g = GraphBuilder(names: takenNames)
    let results = try g.scope(node.name) { try body(ContribCall(node: node, g: g)) }
    let graph = g.graph
    var made = graph.initializers.sorted { $0.key < $1.key }.map { name, initializer in
      Node("Constant", inputs: [], outputs: [name], attributes: ["value": .tensor(initializer.tensor!)])
    }
    made += graph.nodes
    var names: [String: String] = [:]
    for (position, output) in node.outputs.enumerated() where !output.isEmpty {
      guard position < results.count, let result = results[position] else {
        throw DataError("output \(position) is not supported")
      }
      if graph.nodes.contains(where: { $0.outputs.contains(result.name) }), names[result.name] == nil {
        names[result.name] = output
      } else {
        made.append(Node("Identity", inputs: [names[result.name] ?? result.name], outputs: [output]))
      }
    }
    for var inner in made {
      inner.inputs = inner.inputs.map { names[$0] ?? $0 }
      inner.outputs = inner.outputs.map { names[$0] ?? $0 }
      // The node that makes the first output keeps the name, by which layers are known.
      let isLast = inner.outputs.first == node.outputs.first
      inner.name = isLast ? node.name : namer.name(inner.name, or: inner.outputs[0])
      if isLast { inner.metadata = node.metadata }
      try charge(256 + (inner.inputs + inner.outputs).reduce(inner.name.utf8.count) { $0 + $1.utf8.count })
      nodes.append(inner)
    }
    usedValues.formUnion(made.flatMap(\.outputs))
  }
}
