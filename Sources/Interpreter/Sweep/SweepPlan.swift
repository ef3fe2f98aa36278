import GraphIR

/// A graph cut into stages, one for each set of axes: a stage runs once for each combination of its own axes,
/// however large the whole grid is.
///
/// The stage that depends on all axes is where the time goes. Where that pays, it runs for several positions of the
/// innermost axis at once; see ``SweepBatching``.
public final class SweepPlan {
  /// Loop order, the outermost first.
  public let order: [Axis]
  /// The axis of each input that changes during the sweep.
  let axes: [String: Axis]
  public let stages: [Stage]
  public let preparation: Preparation
  /// How positions of the innermost axis run together; nil where each runs by itself.
  public private(set) var batching: SweepBatching?

  /// Nodes that depend on the same axes.
  public final class Stage {
    /// In loop order.
    public let axes: [Axis]
    public let plan: Plan
    /// Inputs that come from outside.
    let fed: [String]
    /// Inputs made by other stages: value and stage.
    let links: [(value: String, stage: Int)]
    /// Whether the stage makes a wanted output or a hook's value.
    let isTerminal: Bool

    init(_ part: SweepPart, _ plan: Plan) {
      axes = part.axes
      self.plan = plan
      fed = part.fed
      links = part.links.map { ($0.value, $0.part) }
      isTerminal = !part.wanted.isEmpty || plan.steps.contains { !$0.attachments.isEmpty }
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
    stages = try SweepPart.all(of: preparation, axes: axes, order: order).map {
      Stage($0, try Plan(preparation, part: $0.graph))
    }
  }

  /// A plan that runs beside another: it shares graph and constants, and has memory of its own.
  /// - Parameters:
  ///   - pool: its threads.
  ///   - hook: gives the hook that stands for one of the other's.
  public convenience init(
    beside other: SweepPlan, pool: ThreadPool, hook: @escaping (any Hook) throws -> any Hook
  ) throws {
    try self.init(
      Preparation(beside: other.preparation, pool: pool, hook: hook), axes: other.axes, order: other.order)
    batching = SweepBatching(beside: other, self, pool, hook)
  }

  /// Lets positions of the innermost axis run together.
  /// - Parameters:
  ///   - rows: at most so many; nil leaves it to the size of the model.
  ///   - prepare: prepares the same graph for inputs of so many rows, with the hooks it is given.
  public func batch(_ rows: Int? = nil, prepare: @escaping SweepBatching.Prepare) {
    batching = SweepBatching(self, rows: rows, prepare)
  }

  /// How often each stage runs for a grid of these extents, when everything that is used again is held. A
  /// number beyond an `Int` becomes its largest value.
  public func runs(_ stage: Stage, counts: [Axis: Int]) -> Int {
    stage.axes.reduce(1) { product, axis in
      let (next, overflow) = product.multipliedReportingOverflow(by: counts[axis] ?? 1)
      return overflow ? .max : next
    }
  }

  /// Multiply-adds of the largest run, of one stage.
  public var largestMultiplyAdds: Int {
    stages.enumerated().map { number, stage in
      stage.plan.multiplyAdds * (number == batching?.stage ? batching!.limit : 1)
    }.max() ?? 0
  }

  /// Bytes beside the weights that all stages together take, at most: with those that run together, for as many sizes of
  /// groups as have memory.
  public var peakBytes: Int { peakBytes(rows: batching?.rowsInMemory ?? 0) }

  /// Bytes beside the weights that all stages together take for so many positions of each axis.
  public func peakBytes(counts: [Axis: Int]) -> Int {
    let count = order.last.flatMap { counts[$0] } ?? 1
    return peakBytes(rows: batching.map { Set($0.groups(count)).filter { $0 > 1 }.reduce(0, +) } ?? 0)
  }

  private func peakBytes(rows: Int) -> Int {
    stages.enumerated().reduce(0) { sum, stage in
      // Weights that are laid out for the kernels are there once for all.
      let plan = stage.element.plan
      let extra = stage.offset == batching?.stage ? (plan.peakBytes - plan.keptBytes) * rows : 0
      return sum + plan.peakBytes + extra
    }
  }
}
