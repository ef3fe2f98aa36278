import Foundation

/// Measures how each 3×3 convolution of a graph is fastest on this machine, and writes that into the nodes' metadata.
///
/// A cost model chooses among Winograd's tiles, and it knows multiplications, not caches. Every choice is tried for all
/// convolutions at once, in runs of the whole graph, so that each is timed among its neighbours.
public struct ConvolutionTuning {
  /// What is said to a convolution, in the metadata's words; nil leaves it to the cost model.
  public typealias Choice = String?

  public static let choices: [Choice] = [
    nil, WinogradTile.sums, WinogradTile.twoByTwo.onlyThis, WinogradTile.twoByFour.onlyThis,
  ]

  /// By how much another choice must be faster than the cost model's: less than that is noise.
  static let gain = 0.03

  /// Names of the nodes that have a choice and have not made one.
  public let nodes: [String]
  private let graph: Graph
  /// The least seconds of each node by choice.
  private var seconds: [String: [Choice: Double]] = [:]

  public init(_ graph: Graph) {
    self.graph = graph
    nodes = graph.nodes.filter { ConvolutionTuning.hasChoice($0, graph) }.map(\.name)
  }

  private static func hasChoice(_ node: Node, _ graph: Graph) -> Bool {
    guard node.op == "Conv", node.domain.isEmpty, !node.name.isEmpty,
      node.metadata[WinogradTile.metadataKey] == nil,
      node.inputs.count > 1, let kernel = graph.initializers[node.inputs[1]]?.type.concreteShape
    else { return false }
    if case .ints(let strides)? = node.attributes["strides"], strides.contains(where: { $0 != 1 }) {
      return false
    }
    return kernel.count == 4 && kernel[2...] == [3, 3]
  }

  /// The graph with the same choice for all.
  public func graph(trying choice: Choice) -> Graph { graph(choosing: { _ in choice }) }

  private func graph(choosing choice: (String) -> Choice) -> Graph {
    var result = graph
    let open = Set(nodes)
    for position in result.nodes.indices where open.contains(result.nodes[position].name) {
      result.nodes[position].metadata[WinogradTile.metadataKey] = choice(result.nodes[position].name)
    }
    return result
  }

  /// Takes in what runs of `graph(trying:)` took.
  public mutating func add(_ profile: Profile, trying choice: Choice) {
    for event in profile.events where event.depth == 0 { add(event.seconds, of: event.node, trying: choice) }
  }

  mutating func add(_ time: Double, of node: String, trying choice: Choice) {
    seconds[node, default: [:]][choice] = min(seconds[node]?[choice] ?? .infinity, time)
  }

  /// What is fastest for a node.
  public func best(_ node: String) -> Choice {
    guard let times = seconds[node], let usual = times[nil],
      let (choice, least) = times.min(by: { $0.value < $1.value }), least < usual * (1 - Self.gain)
    else { return nil }
    return choice
  }

  /// The graph with the best choices in its nodes.
  public func tuned() -> Graph { graph(choosing: best) }

  /// What was chosen, for people.
  public func text() -> String {
    func milliseconds(_ value: Double?) -> String { value.map { String(format: "%.3f", $0 * 1e3) } ?? "–" }
    var table = TextTable(
      ["convolution", "by the model, ms"] + Self.choices.compactMap(\.self) + ["chosen"], right: [1, 2, 3, 4])
    var (before, after) = (0.0, 0.0)
    for node in nodes {
      guard let times = seconds[node], let usual = times[nil] else { continue }
      before += usual
      after += times[best(node)] ?? usual
      guard let choice = best(node) else { continue }
      table.rows.append([node] + Self.choices.map { milliseconds(times[$0]) } + [choice])
    }
    let sum = String(
      format: "%d of %d convolutions are told a tile: %.3f ms for all of them where it was %.3f",
      table.rows.count, nodes.count, after * 1e3, before * 1e3)
    return table.rows.isEmpty ? sum : "\(table.text)\n\n\(sum)"
  }
}
