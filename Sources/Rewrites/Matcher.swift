import GraphIR

/// Finds a pattern at a node.
struct Matcher {
  let graph: Graph
  let index: GraphIndex
  let context: RewriteContext

  func match(_ pattern: Pattern, at root: Node) -> Match? {
    guard let output = root.outputs.first else { return nil }
    return extend(Match(root: root, graph: graph, context: context), pattern, output)
  }

  private func extend(_ match: Match, _ pattern: Pattern, _ value: String) -> Match? {
    switch pattern {
    case .variable(let name):
      if let bound = match.values[name] { return bound == value ? match : nil }
      var result = match
      result.values[name] = value
      return result
    case .scalar(let name):
      guard let tensor = context.constants[value], tensor.count == 1, !context.altered.contains(value)
      else { return nil }
      return extend(match, .variable(name), value)
    case .constant(let name):
      guard context.constants[value] != nil, !context.altered.contains(value) else { return nil }
      return extend(match, .variable(name), value)
    case .either(let patterns):
      for pattern in patterns { if let result = extend(match, pattern, value) { return result } }
      return nil
    case .node(let ops, let inputs, let commutes, let label, let output):
      guard let position = index.producer[value] else { return nil }
      let node = graph.nodes[position]
      guard node.domain.isEmpty || node.domain == "dsd", ops.contains(node.op),
        node.outputs.indices.contains(output), node.outputs[output] == value,
        // What something alters at run time must stay a value of its own.
        value == match.root.outputs[0] || !context.altered.contains(value)
      else { return nil }
      var result = match
      if let label {
        // A label is a variable too: the same label elsewhere is the same value.
        guard let bound = extend(match, .variable(label), value) else { return nil }
        result = bound
        result.nodes[label] = node
      }
      result.matched.append(node.name)
      let given = node.inputs
      guard given.count >= inputs.count else { return nil }
      if let found = extend(result, inputs, Array(given)) { return found }
      guard commutes, inputs.count == 2 else { return nil }
      return extend(result, inputs, [given[1], given[0]])
    }
  }

  private func extend(_ match: Match, _ patterns: [Pattern], _ values: [String]) -> Match? {
    var current = match
    for (pattern, value) in zip(patterns, values) {
      guard !value.isEmpty, let next = extend(current, pattern, value) else { return nil }
      current = next
    }
    return current
  }
}
