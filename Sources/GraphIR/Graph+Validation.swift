extension Graph {
  /// The graph, found fit to be planned: nodes in topological order, every node with a name of its own.
  ///
  /// Checked are the imported operator sets, operators and attributes, that every value is made once and
  /// before it is used (in the bodies of If, Loop and Scan too, which may use values of the graph around
  /// them), and that types and shapes fit through the whole graph and element types agree with the declared ones.
  /// Declared shapes of computed values that disagree are replaced.
  /// - Throws: `DataError` with one line: what is wrong, and which nodes and values it is about.
  public func validated(_ set: OperatorSet) throws -> Graph {
    var result = self
    // Both names are the default domain's.
    if let version = result.opsets.removeValue(forKey: "ai.onnx"), result.opsets[""] == nil {
      result.opsets[""] = version
    }
    try result.checkOperators(set)
    result = try result.ordered(visible: [])
    result.nameNodes()
    try result.checkTypes(set)
    return result
  }

  /// All nodes, those of bodies included.
  private var nodesAtAnyDepth: [Node] {
    nodes.flatMap { node in [node] + node.subgraphs.flatMap { $0.graph.nodesAtAnyDepth } }
  }

  private func checkOperators(_ set: OperatorSet) throws {
    let all = nodesAtAnyDepth
    let range = "\(set.oldestOpset) to \(set.newestOpset)"
    if let version = opsets[""] {
      guard version >= set.oldestOpset, version <= set.newestOpset else {
        throw DataError("opset \(version) of the default domain is not supported: \(range) are")
      }
    } else if all.contains(where: { $0.domain.isEmpty || $0.domain == "ai.onnx" }) {
      throw DataError("no opset of the default domain is imported: \(range) are supported")
    }
    var unknown: [String: (count: Int, first: String)] = [:]
    for node in all where set.type(node.op, domain: node.domain) == nil {
      let first = node.name.isEmpty ? node.outputs.first { !$0.isEmpty } ?? "" : node.name
      unknown[node.qualifiedOp, default: (0, first)].count += 1
    }
    guard unknown.isEmpty else {
      let list = unknown.sorted { $0.key < $1.key }.map { op, found in
        "\(op) (\(found.count) node\(found.count == 1 ? "" : "s"), first '\(found.first)')"
      }
      throw DataError("unknown operators: \(list.joined(separator: ", "))")
    }
    let missing = Set(all.map(\.domain)).filter { opset(of: $0) == nil }.sorted()
    if let domain = missing.first {
      throw DataError("nodes use domain '\(domain)', which the graph does not import")
    }
  }

  /// The graph in topological order with every value made once and every use defined.
  /// - Parameter visible: values of the graphs around this one.
  private func ordered(visible: Set<String>) throws -> Graph {
    let defined = try definedNames()
    let known = visible.union(defined)
    var undefined: [String] = []
    for node in nodes {
      for input in node.inputs where !input.isEmpty && !known.contains(input) {
        undefined.append("'\(input)' (used by \(node.label))")
      }
    }
    for output in outputs where !known.contains(output.name) {
      undefined.append("'\(output.name)' (an output of graph '\(name)')")
    }
    guard undefined.isEmpty else {
      let shown = undefined.prefix(5).joined(separator: ", ")
      let more = undefined.count > 5 ? " and \(undefined.count - 5) more" : ""
      throw DataError("undefined values: \(shown)\(more)")
    }
    var result = self
    for position in nodes.indices {
      for (name, body) in nodes[position].subgraphs {
        do {
          result.nodes[position].attributes[name] = .graph(try body.ordered(visible: known))
        } catch let error as DataError {
          throw error.at("\(nodes[position].label), \(name)")
        }
      }
    }
    return try result.sorted()
  }

  private func definedNames() throws -> Set<String> {
    var makers: [String: String] = [:]
    for input in inputs where makers.updateValue("an input", forKey: input.name) != nil {
      throw DataError("two inputs are called '\(input.name)'")
    }
    // An initializer with an input's name is that input's default.
    for name in initializers.keys where makers[name] == nil { makers[name] = "an initializer" }
    for node in nodes {
      for output in node.outputs where !output.isEmpty {
        if let other = makers.updateValue(node.label, forKey: output) {
          throw DataError("value '\(output)' is made twice: by \(other) and by \(node.label)")
        }
      }
    }
    return Set(makers.keys)
  }

  /// Gives nodes without a name their first output's, and a number to names that are taken.
  private mutating func nameNodes() {
    var used = Set(nodes.map(\.name))
    var seen: Set<String> = []
    // The next number to try for each base: a thousand nodes of one name are not counted a thousand times.
    var numbers: [String: Int] = [:]
    for position in nodes.indices {
      let node = nodes[position]
      if !node.name.isEmpty, seen.insert(node.name).inserted { continue }
      let base = node.name.isEmpty ? node.outputs.first { !$0.isEmpty } ?? node.op : node.name
      var name = base
      while !used.insert(name).inserted {
        let number = numbers[base, default: 1]
        name = "\(base)_\(number)"
        numbers[base] = number + 1
      }
      seen.insert(name)
      nodes[position].name = name
    }
  }

  /// Checks that types fit. A declared shape of a computed value is a hint, which gives way to what the graph gives;
  /// exporters get it wrong.
  private mutating func checkTypes(_ set: OperatorSet) throws {
    let inference = try TypeInference(self, set, pool: ThreadPool(threads: 1))
    for value in inputs + outputs {
      guard let type = value.container?.element, let inferred = inference.containers[value.name]?.element,
        !type.agrees(with: inferred)
      else { continue }
      throw DataError(
        "value '\(value.name)' is declared as \(value.container!), the graph gives one of \(inferred)")
    }
    func settled(_ name: String, _ declared: TensorType?) throws -> TensorType? {
      guard let declared, let inferred = inference.types[name], !declared.agrees(with: inferred) else {
        return declared
      }
      guard declared.dtype == inferred.dtype, !inputs.contains(where: { $0.name == name }) else {
        throw DataError("value '\(name)' is declared as \(declared), the graph gives \(inferred)")
      }
      return inferred
    }
    for input in inputs { _ = try settled(input.name, input.type) }
    for position in outputs.indices {
      outputs[position].type = try settled(outputs[position].name, outputs[position].type)
    }
    for (name, type) in valueTypes.sorted(by: { $0.key < $1.key }) {
      valueTypes[name] = try settled(name, type)
    }
  }
}
