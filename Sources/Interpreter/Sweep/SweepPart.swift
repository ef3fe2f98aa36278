import GraphIR

/// The nodes of a graph that depend on the same axes, as a graph of their own.
struct SweepPart {
  /// In loop order.
  let axes: [Axis]
  let graph: Graph
  /// Inputs that come from outside.
  let fed: [String]
  /// Inputs that other parts make: value and number of the part.
  let links: [(value: String, part: Int)]
  /// What is wanted of the whole graph and made here.
  let wanted: [String]

  /// Parts in an order in which each comes after those it takes values from.
  static func all(of preparation: Preparation, axes: [String: Axis], order: [Axis]) throws -> [SweepPart] {
    let graph = preparation.graph
    let index = GraphIndex(graph)
    let wanted = Set(graph.outputs.map(\.name))
    var nodesOf: [Set<Axis>: [Int]] = [:]
    for (position, set) in try axesOfNodes(graph, AxisAnalysis(graph, inputs: axes), index).enumerated() {
      nodesOf[set, default: []].append(position)
    }
    let keys = nodesOf.keys.sorted { ($0.count, text($0, order)) < ($1.count, text($1, order)) }
    let fedNames = Set(graph.inputs.map(\.name))
    var parts: [SweepPart] = []
    var partOf: [String: Int] = [:]
    for key in keys {
      let positions = nodesOf[key]!
      let members = Set(positions)
      var part = graph
      part.nodes = positions.map { graph.nodes[$0] }
      let made = Set(part.nodes.flatMap(\.outputs)).subtracting([""])
      var needed: [String] = []
      var seen: Set<String> = []
      for name in part.nodes.flatMap({ GraphIndex.uses(of: $0) })
      where !made.contains(name) && seen.insert(name).inserted { needed.append(name) }
      part.initializers = graph.initializers.filter { seen.contains($0.key) && !fedNames.contains($0.key) }
      let outside = needed.filter { graph.initializers[$0] == nil || fedNames.contains($0) }
      part.inputs = outside.map { ValueInfo($0, preparation.types[$0]) }
      let leaving = part.nodes.flatMap(\.outputs).filter { name in
        !name.isEmpty
          && (wanted.contains(name) || (index.consumers[name] ?? []).contains { !members.contains($0) })
      }
      part.outputs = leaving.map { ValueInfo($0, preparation.types[$0]) }
      parts.append(
        SweepPart(
          axes: order.filter(key.contains), graph: part, fed: outside.filter { partOf[$0] == nil },
          links: outside.compactMap { name in partOf[name].map { (name, $0) } },
          wanted: leaving.filter(wanted.contains)))
      for name in made { partOf[name] = parts.count - 1 }
    }
    return parts
  }

  /// The axes of each node. A weight that is made where it is needed belongs to the node that needs it, which runs more
  /// often: held, it would take the memory that was to be saved.
  private static func axesOfNodes(_ graph: Graph, _ analysis: AxisAnalysis, _ index: GraphIndex) throws
    -> [Set<Axis>]
  {
    var sets = graph.nodes.map { node in
      GraphIndex.uses(of: node).reduce(into: Set<Axis>()) { $0.formUnion(analysis[$1]) }
    }
    guard try graph.memoryUse() == .low else { return sets }
    let fed = Set(graph.inputs.map(\.name))
    for position in LateWeights.positions(graph, given: fed).sorted(by: >) {
      let consumers = Set(graph.nodes[position].outputs.flatMap { index.consumers[$0] ?? [] })
      if consumers.count == 1 { sets[position] = sets[consumers.first!] }
    }
    return sets
  }

  private static func text(_ axes: Set<Axis>, _ order: [Axis]) -> String {
    order.enumerated().filter { axes.contains($1) }.map { String($0.offset) }.joined()
  }
}
