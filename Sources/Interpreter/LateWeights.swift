import GraphIR

/// Weights that stay as they are stored until a node needs them: what turns them into float32 is not folded, but runs
/// right before that node, every time.
enum LateWeights {
  /// Smaller ones are turned at once: they take no memory to speak of.
  private static let least = 1 << 14

  /// Whether a node that depends on constants alone makes a large weight of a smaller one.
  static func makes(_ node: Node, _ inputs: [Tensor?]) -> Bool {
    guard node.domain.isEmpty, let stored = inputs.first ?? nil, stored.count >= least else { return false }
    switch node.op {
    case "Cast":
      guard case .int(let to)? = node.attributes["to"],
        let type = DType(rawValue: Int32(truncatingIfNeeded: to))
      else { return false }
      return type.bits > stored.dtype.bits
    case "DequantizeLinear": return stored.dtype.bits <= 8
    default: return false
    }
  }

  /// The graph with every node that depends on constants alone right before the one that uses what it makes; once for
  /// each where there are several.
  static func moved(_ graph: Graph, given: Set<String>) -> Graph {
    let late = positions(graph, given: given)
    guard !late.isEmpty else { return graph }
    var maker: [String: Int] = [:]
    for position in late { for name in graph.nodes[position].outputs { maker[name] = position } }
    let outputs = Set(graph.outputs.map(\.name))
    var copies: [Int: Int] = [:]
    var nodes: [Node] = []

    /// Puts the makers of a node's inputs before it; their values' names there.
    func place(_ node: Node) -> Node {
      var node = node
      var renamed: [String: String] = [:]
      for name in Set(node.inputs) {
        guard let position = maker[name] else { continue }
        let number = copies[position, default: 0]
        copies[position] = number + 1
        var own = place(graph.nodes[position])
        if number > 0 {
          own.name += "/\(number)"
          own.outputs = own.outputs.map { $0.isEmpty ? "" : "\($0)/\(number)" }
          renamed[name] = "\(name)/\(number)"
        }
        nodes.append(own)
      }
      node.inputs = node.inputs.map { renamed[$0] ?? $0 }
      return node
    }
    for (position, node) in graph.nodes.enumerated() {
      // What leaves the graph, or is used in a body, stays.
      if late.contains(position) { continue }
      for name in Set(GraphIndex.uses(of: node)).subtracting(node.inputs) {
        if let maker = maker[name], copies[maker] == nil {
          copies[maker] = 1
          nodes.append(place(graph.nodes[maker]))
        }
      }
      nodes.append(place(node))
    }
    for position in late.sorted()
    where copies[position] == nil && !outputs.isDisjoint(with: graph.nodes[position].outputs) {
      nodes.append(place(graph.nodes[position]))
    }
    var result = graph
    result.nodes = nodes
    return result
  }

  /// The nodes that depend on constants alone.
  static func positions(_ graph: Graph, given: Set<String>) -> Set<Int> {
    var known = Set(graph.initializers.keys).subtracting(given)
    var result: Set<Int> = []
    for (position, node) in graph.nodes.enumerated() {
      let uses = GraphIndex.uses(of: node)
      guard !uses.isEmpty, uses.allSatisfy(known.contains) else { continue }
      known.formUnion(node.outputs)
      result.insert(position)
    }
    return result
  }
}
