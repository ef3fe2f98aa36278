extension Graph {
  /// The graph with an opset that has all its operators: rewrites may have put in newer ones, such as Swish of 24.
  ///
  /// Raised are graphs from opset 23 on. Among their operators only Attention has changed since, by what a narrow mask
  /// means; with a mask it becomes that of our own domain, which stays as it was.
  public func raisingOpset(for operators: OperatorSet) -> Graph {
    guard let own = opsets[""], own >= 23 else { return self }
    let newest =
      nodes.filter(\.domain.isEmpty).compactMap { operators.type($0.op)?.schema.since }.max() ?? own
    guard newest > own else { return self }
    var result = self
    result.opsets[""] = newest
    guard own == 23 else { return result }
    for (position, node) in nodes.enumerated() where node.op == "Attention" && node.domain.isEmpty {
      if node.inputs.count > 3, !node.inputs[3].isEmpty { result.nodes[position].domain = "dsd" }
    }
    return result
  }
}
