import GraphIR

extension AttentionForm {
  private static let scoresPosition = 3
  private static let logSumExpPosition = 4

  /// The attention node, changed to yield `form` under the name `output`.
  ///
  /// A node that yields the form already is given back as it is: its own name for it stands at output 3
  /// (scores, probabilities) or 4 (log-sum-exp). Nil for unknown forms, and where output 3 is taken by
  /// another stage of the scores.
  static func exposing(_ form: ValueForm, of node: Node, as output: String) -> Node? {
    switch form {
    case .logSumExp:
      var result = named(node, logSumExpPosition, output)
      result.domain = "dsd"
      return result
    case .scores: return exposing(Stage.masked, of: node, as: output)
    case .probabilities: return exposing(Stage.probabilities, of: node, as: output)
    default: return nil
    }
  }

  private static func exposing(_ stage: Stage, of node: Node, as output: String) -> Node? {
    let isTaken = node.outputs.count > scoresPosition && !node.outputs[scoresPosition].isEmpty
    if isTaken {
      guard case .int(stage.rawValue)? = node.attributes["qk_matmul_output_mode"] ?? .int(0) else {
        return nil
      }
    }
    var result = named(node, scoresPosition, output)
    result.attributes["qk_matmul_output_mode"] = .int(stage.rawValue)
    return result
  }

  /// The node with this output named, unless it has a name.
  private static func named(_ node: Node, _ position: Int, _ output: String) -> Node {
    var result = node
    while result.outputs.count <= position { result.outputs.append("") }
    if result.outputs[position].isEmpty { result.outputs[position] = output }
    return result
  }
}
