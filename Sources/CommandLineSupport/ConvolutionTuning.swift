import Foundation

/// Measures how each 3×3 convolution of a graph is fastest on this machine.
///
/// A cost model chooses among Winograd's tiles, and it knows multiplications, not caches. Every way is tried for all
/// convolutions at once, in runs of the whole graph, so that each is timed among its neighbours.
public struct ConvolutionTuning {
  /// What is said to a convolution, in the metadata's words; nil leaves it to the cost model.
  public typealias Way = String?

  public static let ways: [Way] = [
    nil, WinogradTile.sums, WinogradTile.twoByTwo.onlyThis, WinogradTile.twoByFour.onlyThis,
  ]

  /// How often each is tried, apart from each other: a slow phase of the machine shall not hit one way alone.
  public static let rounds = 2

  /// By how much another way must be faster than the cost model's, in every round: less than that is noise.
  static let gain = 0.03

  /// A convolution that was timed, for JSON.
  public struct Convolution: Encodable {
    let node: String
    /// The least of each way, `model` the cost model's.
    let seconds: [String: Double]
    /// Nil: the cost model's way stays.
    let chosen: String?
  }

  /// Names of the nodes that may be told something.
  public let nodes: [String]
  private let graph: Graph
  /// The least seconds of each node by way, in each round.
  private var seconds: [String: [Way: [Double]]] = [:]

  /// - Parameter prepared: what runs of the graph were prepared; types are known there.
  /// - Throws: `DataError` when there is nothing to choose.
  public init(_ graph: Graph, prepared: [Preparation]) throws {
    var candidates: Set<String> = []
    for preparation in prepared {
      let (graph, types) = (preparation.graph, preparation.types)
      for node in graph.nodes {
        let inputs = node.inputs.map { $0.isEmpty ? nil : types[$0] }
        if WinogradTile.apply(to: node, opset: graph.opset(of: node.domain) ?? 1, inputs: inputs) {
          candidates.insert(node.name)
        }
      }
    }
    let own = graph.nodes.filter { candidates.contains($0.name) }
    guard !own.isEmpty else {
      throw DataError("has no convolution that could be computed in several ways here")
    }
    nodes = own.filter { $0.metadata[WinogradTile.metadataKey] == nil }.map(\.name)
    guard !nodes.isEmpty else {
      throw DataError("all 3×3 convolutions are told how already (metadata '\(WinogradTile.metadataKey)')")
    }
    self.graph = graph
  }

  /// The graph with the same way for all.
  public func graph(trying way: Way) -> Graph { set(in: graph) { _ in way } }

  /// Another graph of the same nodes, such as that of the file, with the best ways in it.
  public func tuned(_ graph: Graph) -> Graph { set(in: graph, best) }

  private func set(in graph: Graph, _ way: (String) -> Way) -> Graph {
    var result = graph
    let open = Set(nodes)
    for position in result.nodes.indices where open.contains(result.nodes[position].name) {
      result.nodes[position].metadata[WinogradTile.metadataKey] = way(result.nodes[position].name)
    }
    return result
  }

  /// Takes in what a round's runs of `graph(trying:)` took.
  public mutating func add(_ profile: Profile, trying way: Way, round: Int) {
    for event in profile.events where event.depth == 0 {
      add(event.seconds, of: event.node, trying: way, round: round)
    }
  }

  mutating func add(_ time: Double, of node: String, trying way: Way, round: Int) {
    var times = seconds[node]?[way] ?? Array(repeating: .infinity, count: Self.rounds)
    times[round] = min(times[round], time)
    seconds[node, default: [:]][way] = times
  }

  /// What is fastest for a node.
  func best(_ node: String) -> Way {
    guard let times = seconds[node], let usual = times[nil],
      let (way, least) = times.min(by: { $0.value.min()! < $1.value.min()! }),
      zip(least, usual).allSatisfy({ $0 < $1 * (1 - Self.gain) })
    else { return nil }
    return way
  }

  /// Those that were timed.
  public var convolutions: [Convolution] {
    nodes.compactMap { node in
      seconds[node].map { times in
        Convolution(
          node: node,
          seconds: Dictionary(uniqueKeysWithValues: times.map { ($0.key ?? "model", $0.value.min()!) }),
          chosen: best(node))
      }
    }
  }

  /// What was chosen, for people.
  public func text() -> String {
    func milliseconds(_ value: Double?) -> String { value.map { String(format: "%.3f", $0 * 1e3) } ?? "–" }
    let timed = convolutions
    var table = TextTable(
      ["convolution", "cost model's, ms"] + Self.ways.compactMap(\.self) + ["chosen"], right: [1, 2, 3, 4])
    var (before, after, told) = (0.0, 0.0, 0)
    for convolution in timed {
      let usual = convolution.seconds["model"] ?? 0
      before += usual
      after += convolution.seconds[convolution.chosen ?? "model"] ?? usual
      guard let chosen = convolution.chosen else { continue }
      told += 1
      table.rows.append(
        [convolution.node] + Self.ways.map { milliseconds(convolution.seconds[$0 ?? "model"]) } + [chosen])
    }
    let sum = String(
      format: "%d of %d convolutions are told how: %.3f ms for all of them where it was %.3f",
      told, timed.count, after * 1e3, before * 1e3)
    return told == 0 ? sum : "\(table.text)\n\n\(sum)"
  }
}

/// What tuning found, for JSON.
public struct TuningReport: Encodable {
  let before, after: BenchReport
  let convolutions: [ConvolutionTuning.Convolution]

  public init(before: BenchReport, after: BenchReport, _ tuning: ConvolutionTuning) {
    self.before = before
    self.after = after
    convolutions = tuning.convolutions
  }
}
