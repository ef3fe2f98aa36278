import GraphIR

/// Time and arithmetic of the nodes that ran, added up.
public final class Profile {
  public struct Entry: Sendable {
    public let node: String
    public let op: String
    public var calls = 0
    public var seconds = 0.0
    public var multiplyAdds = 0
  }

  private var byNode: [String: Entry] = [:]

  public init() {}

  func record(_ node: Node, _ multiplyAdds: Int, since start: ContinuousClock.Instant) {
    let elapsed = ContinuousClock.now - start
    var entry = byNode[node.name] ?? Entry(node: node.name, op: node.qualifiedOp)
    entry.calls += 1
    entry.seconds += Double(elapsed.components.attoseconds) * 1e-18 + Double(elapsed.components.seconds)
    entry.multiplyAdds += multiplyAdds
    byNode[node.name] = entry
  }

  /// One entry a node, slowest first.
  public var entries: [Entry] { byNode.values.sorted { $0.seconds > $1.seconds } }

  /// Entries added up by operator, slowest first.
  public var byOperator: [Entry] {
    var result: [String: Entry] = [:]
    for entry in byNode.values {
      var sum = result[entry.op] ?? Entry(node: "", op: entry.op)
      sum.calls += entry.calls
      sum.seconds += entry.seconds
      sum.multiplyAdds += entry.multiplyAdds
      result[entry.op] = sum
    }
    return result.values.sorted { $0.seconds > $1.seconds }
  }
}
