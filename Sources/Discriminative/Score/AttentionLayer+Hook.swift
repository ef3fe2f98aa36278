import Interpreter

extension AttentionLayer {
  /// The layer of a node that a hook looks at; nil when the node is no attention.
  public init?(_ node: Node, in context: HookContext) {
    self.init(node) { context.dependencies(of: $0) }
  }

  /// The attention layers of a graph, in its order.
  static func all(in context: HookContext) -> [AttentionLayer] {
    context.graph.nodes.compactMap { AttentionLayer($0, in: context) }
  }
}
