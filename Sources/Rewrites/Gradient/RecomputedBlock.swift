import GraphIR

/// A graph in which the inner values of one block are computed again for the backward part.
struct RecomputedBlock {
  let graph: Graph

  /// Nil when the backward part reads no inner value of the block.
  /// - Parameters:
  ///   - graph: sorted.
  ///   - members: positions of the block's nodes.
  ///   - fixed: values that need no computing.
  init?(_ name: String, _ graph: Graph, _ members: Set<Int>, fixed: Set<String>, altered: Set<String>) {
    let nodes = graph.nodes
    let index = GraphIndex(graph)
    func isMade(_ value: String) -> Bool { index.producer[value].map(members.contains) ?? false }

    // Inner values: what other forward nodes read, and what leaves the graph, is there anyway.
    let leaving = Set(graph.outputs.map(\.name)).union(altered)
    var inner: Set<String> = []
    var readers: Set<Int> = []
    for position in members.sorted() {
      for value in nodes[position].outputs
      where !value.isEmpty && !fixed.contains(value) && !leaving.contains(value) {
        let others = (index.consumers[value] ?? []).filter { !members.contains($0) }
        guard !others.isEmpty, others.allSatisfy({ Recomputation.isBackward(nodes[$0]) }),
          others.allSatisfy({ nodes[$0].subgraphs.isEmpty })
        else { continue }
        inner.insert(value)
        readers.formUnion(others)
      }
    }
    guard let first = readers.min() else { return nil }

    // The nodes that make them, from values that are kept.
    let kept = { (value: String) in
      !isMade(value) || fixed.contains(value)
        || !inner.contains(value)
          && (index.consumers[value] ?? []).contains { Recomputation.isBackward(nodes[$0]) }
    }
    var copied: Set<Int> = []
    var pending = Array(inner)
    while let value = pending.popLast() {
      guard let producer = index.producer[value], copied.insert(producer).inserted else { continue }
      pending += GraphIndex.uses(of: nodes[producer]).filter { !kept($0) }
    }
    // Bodies capture values by name, which a copy would have to change inside them.
    guard copied.allSatisfy({ nodes[$0].subgraphs.isEmpty }) else { return nil }

    // What has come back so far when the first inner value is needed.
    var incoming: [String] = []
    for position in readers.sorted() where incoming.isEmpty {
      incoming = nodes[position].inputs.filter {
        index.producer[$0].map { $0 < first && Recomputation.isBackward(nodes[$0]) } ?? false
      }
    }

    let taken = TakenNames(graph.allNames)
    func fresh(_ base: String) -> String {
      let builder = GraphBuilder(Graph(), names: taken)
      return builder.fresh("recomputed/\(base)")
    }
    var names: [String: String] = [:]
    var added: [Node] = []
    for position in copied.sorted() {
      var node = nodes[position]
      for value in GraphIndex.uses(of: node)
      where names[value] == nil && kept(value) && !fixed.contains(value) {
        let view = fresh("\(name)/After")
        added.append(
          Node("After", domain: "dsd", name: view, inputs: [value] + incoming, outputs: [view]))
        names[value] = view
      }
      for value in node.outputs where !value.isEmpty { names[value] = names[value] ?? fresh(value) }
      node.inputs = node.inputs.map { names[$0] ?? $0 }
      node.outputs = node.outputs.map { names[$0] ?? $0 }
      // Nodes are mostly called as their first output.
      node.name = nodes[position].outputs.first == node.name ? node.outputs[0] : fresh(node.name)
      // A copy is no layer that anything would select.
      node.metadata = node.metadata.filter { Node.numericKeys.contains($0.key) }
      added.append(node)
    }

    var result = graph
    for position in readers {
      result.nodes[position].inputs = nodes[position].inputs.map { inner.contains($0) ? names[$0]! : $0 }
    }
    result.nodes.insert(contentsOf: added, at: first)
    self.graph = result
  }
}
