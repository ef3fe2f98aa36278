import GraphIR

/// One pass of a sweep plan over a grid.
///
/// Each stage is evaluated when something needs it, once per combination of its own axes. What later
/// combinations may need again is held, up to a budget; past it the longest unused goes and is computed again
/// if needed.
public final class SweepRun {
  public let plan: SweepPlan
  /// Extents of the axes.
  public let counts: [Axis: Int]
  /// Bytes that held values may take.
  public let budget: Int
  /// How often each stage has run.
  public private(set) var runs: [Int]
  /// Bytes held at most.
  public private(set) var peakHeldBytes = 0

  /// Where the time of the stages is added up.
  public var profile: Profile?

  private let feed: (String, SweepPosition) throws -> Tensor
  private var held: [Key: Entry] = [:]
  private var heldBytes = 0
  private var clock = 0

  private struct Key: Hashable {
    let stage: Int
    let indices: [Int]
  }

  private struct Entry {
    let values: [String: Tensor]
    let bytes: Int
    var lastUse: Int
  }

  /// - Parameters:
  ///   - budget: bytes for held values; the default is 4 GiB.
  ///   - feed: gives the tensor of an input at a position. It is called again when a value is recomputed.
  public init(
    _ plan: SweepPlan, counts: [Axis: Int], budget: Int = 4 << 30,
    feed: @escaping (String, SweepPosition) throws -> Tensor
  ) {
    self.plan = plan
    self.counts = counts
    self.budget = budget
    self.feed = feed
    runs = [Int](repeating: 0, count: plan.stages.count)
  }

  /// Walks the grid in loop order and hands over the wanted outputs of each position.
  /// - Parameters:
  ///   - visiting: asked whenever an axis is gone through anew, with the position that the axes around it are at: all of
  ///     its indices in the order wanted, or nil for that from 0 on.
  ///   - skip: asked before each position; those for which it answers true are left out.
  ///   - visit: gets the outputs by name; they may be kept.
  public func run(
    visiting: (Axis, SweepPosition) throws -> [Int]? = { _, _ in nil },
    skip: (SweepPosition) throws -> Bool = { _ in false },
    visit: (SweepPosition, [String: Tensor]) throws -> Void
  ) throws {
    let extents = plan.order.map { counts[$0] ?? 1 }
    guard extents.allSatisfy({ $0 > 0 }) else { return }
    var counters = [Int](repeating: 0, count: extents.count)
    var orders = extents.map { Array(0..<$0) }
    func arrange(from first: Int) throws {
      for depth in orders.indices.dropFirst(first) {
        let outer = plan.order.prefix(depth).enumerated().map { ($1, orders[$0][counters[$0]]) }
        let order = try visiting(plan.order[depth], SweepPosition(Dictionary(uniqueKeysWithValues: outer)))
        orders[depth] = order ?? Array(0..<extents[depth])
        precondition(
          orders[depth].sorted().elementsEqual(0..<extents[depth]), "an order has every index once")
      }
    }
    let wanted = plan.preparation.graph.outputs.map(\.name)
    try arrange(from: 0)
    while true {
      let indices = zip(orders, counters).map { $0[$1] }
      let position = SweepPosition(Dictionary(uniqueKeysWithValues: zip(plan.order, indices)))
      if try !skip(position) {
        var outputs: [String: Tensor] = [:]
        for (number, stage) in plan.stages.enumerated() where stage.isTerminal {
          let values = try evaluate(number, indices)
          for name in wanted { if let value = values[name] { outputs[name] = value } }
        }
        for name in wanted where outputs[name] == nil { outputs[name] = try given(name, position) }
        try visit(position, outputs)
      }
      var axis = extents.count - 1
      while axis >= 0 {
        counters[axis] += 1
        if counters[axis] < extents[axis] { break }
        counters[axis] = 0
        axis -= 1
      }
      if axis < 0 { break }
      try arrange(from: axis + 1)
      dropPassed(zip(orders, counters).map { $0[$1] })
    }
    held = [:]
    heldBytes = 0
  }

  /// A wanted value that no node makes: a constant, or something fed.
  private func given(_ name: String, _ position: SweepPosition) throws -> Tensor {
    if let tensor = plan.preparation.supplied[name] { return tensor }
    let graph = plan.preparation.graph
    if !graph.inputs.contains(where: { $0.name == name }), let tensor = graph.initializers[name]?.tensor {
      return tensor.copy()
    }
    let axes = plan.axes[name].map { [$0] } ?? []
    return try feed(
      name, SweepPosition(position.indices.filter { axes.contains($0.key) }))
  }

  private func evaluate(_ number: Int, _ indices: [Int]) throws -> [String: Tensor] {
    let stage = plan.stages[number]
    let own = stage.axes.map { indices[plan.order.firstIndex(of: $0)!] }
    let key = Key(stage: number, indices: own)
    clock += 1
    if held[key] != nil {
      held[key]!.lastUse = clock
      return held[key]!.values
    }
    let position = SweepPosition(Dictionary(uniqueKeysWithValues: zip(stage.axes, own)))
    var inputs: [String: Tensor] = [:]
    for (value, source) in stage.links { inputs[value] = try evaluate(source, indices)[value] }
    for name in stage.fed {
      inputs[name] = try plan.preparation.supplied[name] ?? feed(name, position)
    }
    let values = try stage.plan.run(inputs, at: position, profile: profile)
    runs[number] += 1
    hold(key, values, stage)
    return values
  }

  /// Keeps a stage's values unless the position moves on at the innermost loop of its axes anyway.
  private func hold(_ key: Key, _ values: [String: Tensor], _ stage: SweepPlan.Stage) {
    guard stage.axes.count < plan.order.count || plan.order.isEmpty else { return }
    let bytes = values.values.reduce(0) { $0 + $1.byteCount }
    while heldBytes + bytes > budget, let oldest = held.min(by: { $0.value.lastUse < $1.value.lastUse }) {
      heldBytes -= oldest.value.bytes
      held[oldest.key] = nil
    }
    guard heldBytes + bytes <= budget else { return }
    held[key] = Entry(values: values, bytes: bytes, lastUse: clock)
    heldBytes += bytes
    peakHeldBytes = max(peakHeldBytes, heldBytes)
  }

  /// Forgets values whose outer loop indices the walk has left behind.
  private func dropPassed(_ indices: [Int]) {
    for (key, entry) in held {
      let axes = plan.stages[key.stage].axes
      for (depth, axis) in plan.order.enumerated() {
        guard depth < axes.count, axes[depth] == axis else { break }
        if key.indices[depth] != indices[depth] {
          held[key] = nil
          heldBytes -= entry.bytes
          break
        }
      }
    }
  }
}
