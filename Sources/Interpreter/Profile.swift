import GraphIR

/// Time and arithmetic of the nodes that ran.
///
/// A node's seconds are its own: what the nodes of its bodies take is theirs.
public final class Profile {
  /// Runs added up, of a node or of a group of nodes.
  public struct Entry: Sendable {
    /// The node's name, after those of the nodes whose bodies it is in.
    public let node: String
    /// The node's scopes, see `Node.scope`; of a node in a body, after those of the node around and its name.
    public let scope: [String]
    public let op: String
    public var calls = 0
    public var seconds = 0.0
    public var multiplyAdds = 0
    /// Of the inputs that were read and the outputs that were written.
    public var bytes = 0
  }

  /// One run of one node.
  public struct Event: Sendable {
    /// As in ``Entry``.
    public let node: String
    public let scope: [String]
    public let op: String
    /// Seconds since the profile was made.
    public let start: Double
    /// With those of its bodies.
    public let seconds: Double
    /// How many nodes it is inside of.
    public let depth: Int
    public let multiplyAdds: Int
    /// Types of what the node gave.
    public let outputs: [String]
  }

  /// A node that runs.
  private struct Frame {
    let name: String
    let scope: [String]
    let start: ContinuousClock.Instant
    /// What nodes of its bodies have taken so far.
    var inner = 0.0
  }

  /// Every run of a node in the order of their ends, up to ``eventLimit``.
  public private(set) var events: [Event] = []
  /// Runs beyond the limit, which are in the sums alone.
  public private(set) var droppedEvents = 0
  /// How many single runs are kept.
  public static let eventLimit = 1_000_000

  private let keepsEvents: Bool
  private let origin = ContinuousClock.now
  private var byNode: [String: Entry] = [:]
  private var frames: [Frame] = []

  /// - Parameter keepsEvents: whether single runs are kept beside their sums.
  public init(keepsEvents: Bool = false) { self.keepsEvents = keepsEvents }

  /// What is told of a node, made once: it would take longer than many a node runs.
  final class Label: Sendable {
    let name: String
    let scope: [String]
    let op: String

    init(_ node: Node) {
      name = node.name
      scope = node.scope
      op = node.qualifiedOp
    }
  }

  func begin(_ label: Label) {
    var (name, scope) = (label.name, label.scope)
    if let outer = frames.last {
      scope = outer.scope + [String(outer.name.split(separator: "/").last ?? "")] + scope
      name = "\(outer.name)/\(name)"
    }
    frames.append(Frame(name: name, scope: scope, start: .now))
  }

  /// - Parameter outputs: asked for only where single runs are kept.
  func end(_ label: Label, _ multiplyAdds: Int, _ bytes: Int, outputs: () -> [String]) {
    let now = ContinuousClock.now
    guard let frame = frames.popLast() else { return }
    let elapsed = Profile.seconds(now - frame.start)
    byNode[frame.name, default: Entry(node: frame.name, scope: frame.scope, op: label.op)]
      .addRun(max(elapsed - frame.inner, 0), multiplyAdds, bytes)
    if !frames.isEmpty { frames[frames.count - 1].inner += elapsed }
    guard keepsEvents else { return }
    guard events.count < Profile.eventLimit else {
      droppedEvents += 1
      return
    }
    events.append(
      Event(
        node: frame.name, scope: frame.scope, op: label.op,
        start: Profile.seconds(frame.start - origin),
        seconds: elapsed, depth: frames.count, multiplyAdds: multiplyAdds, outputs: outputs()))
  }

  private static func seconds(_ duration: Duration) -> Double {
    Double(duration.components.attoseconds) * 1e-18 + Double(duration.components.seconds)
  }

  /// Takes over the sums of another profile.
  public func add(_ other: Profile) {
    byNode.merge(other.byNode) { own, more in
      var sum = own
      sum.add(more)
      return sum
    }
  }

  /// Seconds that it takes to take the time of one run of a node, which are none of the node's.
  public static func overhead() -> Double {
    let profile = Profile()
    let labels = (0..<64).map {
      Label(Node("Add", name: "model/down_blocks.\($0)/Add", inputs: [], outputs: []))
    }
    let rounds = 200
    let duration = ContinuousClock().measure {
      for _ in 0..<rounds {
        for label in labels {
          profile.begin(label)
          profile.end(label, 1, 1) { [] }
        }
      }
    }
    return max(seconds(duration) - profile.seconds, 0) / Double(rounds * labels.count)
  }

  /// Runs of all nodes together.
  public var calls: Int { byNode.values.reduce(0) { $0 + $1.calls } }

  /// Seconds of all nodes together.
  public var seconds: Double { byNode.values.reduce(0) { $0 + $1.seconds } }

  /// One entry a node, slowest first.
  public var entries: [Entry] { byNode.values.sorted { ($1.seconds, $0.node) < ($0.seconds, $1.node) } }

  /// Entries added up by operator, slowest first, without names and scopes.
  public var byOperator: [Entry] { sums { Entry(node: "", scope: [], op: $0.op) } }

  /// Entries added up by scope, slowest first, without names and operators.
  /// - Parameter depth: how many of a node's scopes, from the outermost, are told apart.
  public func byScope(depth: Int) -> [Entry] {
    sums { Entry(node: "", scope: Array($0.scope.prefix(depth)), op: "") }
  }

  private func sums(_ group: (Entry) -> Entry) -> [Entry] {
    var result: [[String]: Entry] = [:]
    for entry in byNode.values {
      let zero = group(entry)
      let key = zero.scope + [zero.op]
      result[key, default: zero].add(entry)
    }
    return result.sorted { ($1.value.seconds, $0.key.joined()) < ($0.value.seconds, $1.key.joined()) }
      .map(\.value)
  }
}

extension Profile.Entry {
  fileprivate mutating func addRun(_ seconds: Double, _ multiplyAdds: Int, _ bytes: Int) {
    calls += 1
    self.seconds += seconds
    self.multiplyAdds += multiplyAdds
    self.bytes += bytes
  }

  /// Adds the runs of another entry.
  public mutating func add(_ other: Profile.Entry) {
    calls += other.calls
    seconds += other.seconds
    multiplyAdds += other.multiplyAdds
    bytes += other.bytes
  }
}
