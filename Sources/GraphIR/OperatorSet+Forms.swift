extension OperatorSet {
  /// The node, changed so that it also yields `form`, and the value that holds it: `name`, or what the node calls it
  /// already. Nil when its operator has no such form.
  public func exposing(_ form: ValueForm, of node: Node, as name: String) -> (node: Node, value: String)? {
    guard let type = type(node.op, domain: node.domain) else { return nil }
    if node.outputs.contains(name) { return (node, name) }
    guard let changed = type.exposing(form, of: node, as: name) else { return nil }
    if changed.outputs.contains(name) { return (changed, name) }
    // At the place where a node without names for its further outputs gets a new one.
    var bare = node
    bare.outputs = node.outputs.map { _ in "" }
    guard let place = type.exposing(form, of: bare, as: name)?.outputs.firstIndex(of: name) else {
      return nil
    }
    return (changed, changed.outputs[place])
  }
}
