import GraphIR

/// Which 16-bit values a run may hold as float32.
///
/// Operators that compute in float32 would otherwise round every result, only for the next one to widen it
/// again. Inputs, outputs, what hooks see, constants and the results of casts keep the type that the graph gives.
enum WideValues {
  /// The types with such values as float32.
  /// - Parameter keep: values whose types stay.
  static func widening(
    _ types: [String: TensorType], _ graph: Graph, _ operators: OperatorSet, keep: Set<String>
  ) -> [String: TensorType] {
    func isHalf(_ name: String) -> Bool { types[name]?.dtype.isHalf ?? false }
    /// The values around a node that cannot be wide while these are.
    func narrow(at node: Node, _ wide: Set<String>) -> [String] {
      let uses = GraphIndex.uses(of: node)
      let outputs = node.outputs.filter { !$0.isEmpty }
      let isPlanned = (uses + outputs).allSatisfy { types[$0]?.byteCount != nil } && node.subgraphs.isEmpty
      let type = operators.type(node.op, domain: node.domain)
      if isPlanned, type?.runsHalf == false { return [] }
      if isPlanned, node.domain.isEmpty, node.op == "Cast" { return outputs }
      if isPlanned, type?.movesElements == true {
        let group = (uses + outputs).filter(isHalf)
        return wide.isSuperset(of: group) ? [] : group
      }
      return uses + outputs
    }
    var wide = Set(graph.nodes.flatMap(\.outputs).filter { isHalf($0) && !keep.contains($0) })
    if wide.isEmpty { return types }
    /// The nodes that a value that stays narrow may make others' values narrow at.
    var touching: [String: [Int]] = [:]
    for (position, node) in graph.nodes.enumerated() {
      for name in GraphIndex.uses(of: node) + node.outputs where wide.contains(name) {
        touching[name, default: []].append(position)
      }
    }
    var pending = Array(graph.nodes.indices.reversed())
    var isPending = [Bool](repeating: true, count: pending.count)
    while let position = pending.popLast() {
      isPending[position] = false
      for name in narrow(at: graph.nodes[position], wide) where wide.remove(name) != nil {
        for other in touching[name] ?? [] where !isPending[other] {
          isPending[other] = true
          pending.append(other)
        }
      }
    }
    guard !wide.isEmpty else { return types }
    var result = types
    for name in wide { result[name]?.dtype = .float32 }
    return result
  }
}
