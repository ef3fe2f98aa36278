import GraphIR

/// A graph cut into stages, one for each set of axes: a stage runs once for each combination of its own axes,
/// however large the whole grid is.
public final class SweepPlan {
  /// Loop order, the outermost first.
  public let order: [Axis]
  /// The axis of each input that changes during the sweep.
  let axes: [String: Axis]
  public let stages: [Stage]
  public let preparation: Preparation

  /// Nodes that depend on the same axes.
  public final class Stage {
    /// In loop order.
    public let axes: [Axis]
    public let plan: Plan
    /// Inputs that come from outside.
    let fed: [String]
    /// Inputs made by other stages: value and stage.
    var links: [(value: String, stage: Int)] = []
    /// Whether the stage makes a wanted output or a hook's value.
    let isTerminal: Bool

    init(axes: [Axis], plan: Plan, fed: [String], isTerminal: Bool) {
      self.axes = axes
      self.plan = plan
      self.fed = fed
      self.isTerminal = isTerminal
    }

    /// Top-level scopes of the stage's nodes, with their multiply-adds.
    public var components: [String: Int] {
      var result: [String: Int] = [:]
      for step in plan.steps {
        let parts = step.node.name.split(separator: "/", omittingEmptySubsequences: true)
        result[parts.count > 1 ? String(parts[0]) : "pipeline", default: 0] += step.multiplyAdds
      }
      return result
    }
  }

  /// - Parameters:
  ///   - axes: the axis of each input that changes during the sweep; other inputs are the same throughout.
  ///   - order: loop order, the outermost axis first.
  public init(_ preparation: Preparation, axes: [String: Axis], order: [Axis]) throws {
    self.order = order
    self.axes = axes
    self.preparation = preparation
    let graph = preparation.graph
    let analysis = AxisAnalysis(graph, inputs: axes)
    let index = GraphIndex(graph)
    let wanted = Set(graph.outputs.map(\.name))

    // Nodes by their axes, stages in an order in which each comes after those it takes values from.
    var nodesOf: [Set<Axis>: [Int]] = [:]
    for (position, set) in try SweepPlan.axesOfNodes(graph, analysis, index).enumerated() {
      nodesOf[set, default: []].append(position)
    }
    let keys = nodesOf.keys.sorted {
      ($0.count, SweepPlan.text($0, order)) < ($1.count, SweepPlan.text($1, order))
    }
    let fedNames = Set(graph.inputs.map(\.name))
    var stages: [Stage] = []
    var stageOf: [String: Int] = [:]
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
          && (wanted.contains(name)
            || (index.consumers[name] ?? []).contains { !members.contains($0) })
      }
      part.outputs = leaving.map { ValueInfo($0, preparation.types[$0]) }
      let plan = try Plan(preparation, part: part)
      let stage = Stage(
        axes: order.filter(key.contains), plan: plan, fed: outside.filter { stageOf[$0] == nil },
        isTerminal: leaving.contains(where: wanted.contains)
          || plan.steps.contains { !$0.attachments.isEmpty })
      stage.links = outside.compactMap { name in stageOf[name].map { (name, $0) } }
      for name in made { stageOf[name] = stages.count }
      stages.append(stage)
    }
    self.stages = stages
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

  /// A plan that runs beside another: it shares graph and constants, and has memory of its own.
  /// - Parameters:
  ///   - pool: its threads.
  ///   - hook: gives the hook that stands for one of the other's.
  public convenience init(
    beside other: SweepPlan, pool: ThreadPool, hook: (any Hook) throws -> any Hook
  ) throws {
    try self.init(
      Preparation(beside: other.preparation, pool: pool, hook: hook), axes: other.axes, order: other.order)
  }

  private static func text(_ axes: Set<Axis>, _ order: [Axis]) -> String {
    order.enumerated().filter { axes.contains($1) }.map { String($0.offset) }.joined()
  }

  /// How often each stage runs for a grid of these extents, when everything that is used again is held. A
  /// number beyond an `Int` becomes its largest value.
  public func runs(_ stage: Stage, counts: [Axis: Int]) -> Int {
    stage.axes.reduce(1) { product, axis in
      let (next, overflow) = product.multipliedReportingOverflow(by: counts[axis] ?? 1)
      return overflow ? .max : next
    }
  }
}
