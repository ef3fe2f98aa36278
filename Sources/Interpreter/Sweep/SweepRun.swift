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
  /// How often each stage has run; a run for several positions counts as so many.
  public private(set) var runs: [Int]
  /// Positions that were computed together with others.
  public private(set) var together = 0
  /// Bytes held at most.
  public private(set) var peakHeldBytes = 0

  /// Whether positions of the innermost axis run together where the plan has it so.
  public var batches = true

  /// Where the time of the stages is added up.
  public var profile: Profile?

  /// Ends `run` with a `CancellationError`.
  public var cancellation: Cancellation?

  private let feed: (String, SweepPosition) throws -> Tensor
  private var held: [Key: Entry] = [:]
  private var heldBytes = 0
  private var clock = 0
  /// What has been computed for positions of the innermost axis that the walk is about to reach.
  private var ahead: [[Int]: [String: Tensor]] = [:]

  /// What is held: values of a stage at indices along its own axes, or along those of several positions.
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
  ///   - skip: asked for all positions along the innermost axis before the first of them runs; those for which it
  ///     answers true are left out.
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
    let inner = extents.count - 1
    while true {
      let outer = zip(orders, counters).dropLast().map { $0[$1] }
      let row = extents.isEmpty ? [[]] : orders[inner].map { outer + [$0] }
      let taken = try row.filter { try !skip(place($0)) }
      let ones = Array(repeating: 1, count: taken.count)
      ahead = [:]
      var next = 0
      for count in batches ? plan.batching?.groups(taken.count) ?? ones : ones {
        let group = Array(taken[next..<next + count])
        next += count
        if count > 1 { try evaluateTogether(group) }
        for indices in group {
          var outputs: [String: Tensor] = [:]
          for (number, stage) in plan.stages.enumerated() where stage.isTerminal {
            let values = try evaluate(number, indices)
            for name in wanted { if let value = values[name] { outputs[name] = value } }
          }
          for name in wanted where outputs[name] == nil { outputs[name] = try given(name, place(indices)) }
          try visit(place(indices), outputs)
        }
      }
      var axis = inner - 1
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

  private func place(_ indices: [Int]) -> SweepPosition {
    SweepPosition(Dictionary(uniqueKeysWithValues: zip(plan.order, indices)))
  }

  /// Runs the stage of all axes for several positions, where the graph can.
  private func evaluateTogether(_ group: [[Int]]) throws {
    guard let batching = plan.batching, let batch = try batching.batch(of: group.count) else { return }
    let stage = plan.stages[batching.stage]
    var inputs: [String: Tensor] = [:]
    for (source, links) in Dictionary(grouping: stage.links, by: \.stage) {
      let names = links.map(\.value).filter { batch.inputs[$0] != nil }
      inputs.merge(try gathered(names, source, group, batch)) { own, _ in own }
    }
    for name in stage.fed {
      guard let kind = batch.inputs[name] else { continue }
      func own(_ indices: [Int]) throws -> Tensor { try feed(name, along(stage.axes, indices)) }
      inputs[name] = try kind == .same ? own(group[0]) : .joined(group.map(own))
    }
    let values = try batch.run(
      inputs, at: group.map { along(stage.axes, $0) }, profile: profile, cancellation: cancellation)
    for (indices, values) in zip(group, values) { ahead[indices] = values }
    runs[batching.stage] += group.count
    together += group.count
  }

  /// Values of a stage for all rows of a group.
  private func gathered(_ names: [String], _ source: Int, _ group: [[Int]], _ batch: StageBatch) throws
    -> [String: Tensor]
  {
    // What changes from row to row alone is the same the next time round.
    let stage = plan.stages[source]
    let isHeld = stage.axes == [plan.order.last!]
    let key = Key(stage: source, indices: group.map { $0.last! })
    clock += 1
    if isHeld, held[key] != nil {
      held[key]!.lastUse = clock
      return held[key]!.values
    }
    let rows = try stage.axes.contains(plan.order.last!) ? group.map { try evaluate(source, $0) } : []
    let single = try rows.first ?? evaluate(source, group[0])
    var values: [String: Tensor] = [:]
    for name in names {
      let parts = rows.isEmpty ? Array(repeating: single[name]!, count: batch.rows) : rows.map { $0[name]! }
      values[name] = batch.inputs[name] == .same ? single[name]! : .joined(parts)
    }
    if isHeld { hold(key, values, stage) }
    return values
  }

  private func along(_ axes: [Axis], _ indices: [Int]) -> SweepPosition {
    SweepPosition(
      Dictionary(uniqueKeysWithValues: axes.map { ($0, indices[plan.order.firstIndex(of: $0)!]) }))
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
    if number == plan.batching?.stage, let values = ahead.removeValue(forKey: indices) { return values }
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
    let values = try stage.plan.run(inputs, at: position, profile: profile, cancellation: cancellation)
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
