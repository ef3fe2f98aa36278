/// Putting one graph into another.
extension Graph {
  /// The graph with every name inside a scope: `x` becomes `scope/x`.
  ///
  /// - Parameter binding: inputs that become other names instead; they are no longer inputs, and an
  ///   initializer that was their default goes.
  public func inScope(_ scope: String, binding: [String: String] = [:]) -> Graph {
    func name(_ old: String) -> String { old.isEmpty ? "" : binding[old] ?? "\(scope)/\(old)" }
    var result = self
    result.inputs = inputs.filter { binding[$0.name] == nil }.map { ValueInfo(name($0.name), $0.type) }
    result.outputs = outputs.map { ValueInfo(name($0.name), $0.type) }
    result.initializers = [:]
    for (old, initializer) in initializers where binding[old] == nil {
      result.initializers[name(old)] = initializer
    }
    result.nodes = nodes.map { node in
      node.renamed(values: name, to: node.name.isEmpty ? "" : "\(scope)/\(node.name)")
    }
    result.valueTypes = [:]
    for (old, type) in valueTypes where binding[old] == nil { result.valueTypes[name(old)] = type }
    return result
  }

  /// The graph followed by `part`, whose names get a scope.
  ///
  /// - Parameters:
  ///   - binding: values of this graph that take the place of the part's inputs; the inputs that are left
  ///     become inputs of the result.
  /// - Returns: the joined graph with the outputs of this one, and the names of the part's outputs in it.
  /// - Throws: `DataError` when the two need different operator sets, or a name is taken.
  public func embedding(
    _ part: Graph, scope: String, binding: [String: String] = [:]
  ) throws -> (graph: Graph, outputs: [String: String]) {
    let builder = GraphBuilder(self)
    let values = try builder.embed(part, scope: scope, binding: binding.mapValues { Value($0) })
    return (builder.graph, values.mapValues(\.name))
  }
}

extension GraphBuilder {
  /// Appends the nodes of another graph, whose names get a scope inside the current one.
  /// - Returns: the part's outputs by their name in the part.
  /// - Throws: `DataError` when the two need different operator sets, or a name is taken.
  @discardableResult
  public func embed(_ part: Graph, scope: String, binding: [String: Value]) throws -> [String: Value] {
    for (domain, version) in part.opsets {
      let own = graph.opset(of: domain)
      guard own == nil || own == version || part.nodes.isEmpty else {
        let shown = domain.isEmpty ? "ai.onnx" : domain
        throw DataError("'\(scope)' needs operator set \(version) of \(shown), the graph has \(own ?? 0)")
      }
    }
    let inside = part.inScope(scoped(scope), binding: binding.mapValues(\.name))
    let names = graph.allNames
    if let taken = inside.allNames.first(where: { !$0.isEmpty && names.contains($0) }) {
      throw DataError("the name '\(taken)' is taken")
    }
    edit { graph in
      graph.opsets.merge(inside.opsets) { own, _ in own }
      graph.irVersion = max(graph.irVersion, inside.irVersion)
      graph.inputs += inside.inputs
      graph.initializers.merge(inside.initializers) { own, _ in own }
      graph.valueTypes.merge(inside.valueTypes) { own, _ in own }
    }
    inside.nodes.forEach(append)
    return Dictionary(
      zip(part.outputs.map(\.name), inside.outputs.map { Value($0.name) }), uniquingKeysWith: { a, _ in a })
  }
}

extension Node {
  /// The node with other names for itself and its values, those that its subgraphs take from outside included.
  public func renamed(values: (String) -> String, to newName: String) -> Node {
    var result = self
    result.name = newName
    result.inputs = inputs.map(values)
    result.outputs = outputs.map(values)
    for (attribute, body) in subgraphs {
      let captured = Set(body.capturedNames)
      result.attributes[attribute] = .graph(body.renamingCaptured { captured.contains($0) ? values($0) : $0 })
    }
    return result
  }
}

extension Graph {
  /// A subgraph with other names for what it takes from the graph around it; its own names stay.
  fileprivate func renamingCaptured(_ rename: (String) -> String) -> Graph {
    var result = self
    result.nodes = nodes.map { $0.renamed(values: rename, to: $0.name) }
    result.outputs = outputs.map { ValueInfo(rename($0.name), $0.type) }
    return result
  }
}
