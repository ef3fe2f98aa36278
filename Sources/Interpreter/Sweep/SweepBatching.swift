import Foundation
import GraphIR

/// Runs the stage that depends on all axes for several positions of the innermost axis at once, as rows of one batch.
///
/// A weight is read from memory once for all rows, and products have more rows to share it. A large model whose weights
/// meet many pixels of one image anyway gains nothing: it runs a position at a time, in less memory. A small one, whose
/// weights stay in the cache, gains by longer runs of the kernels.
///
/// Hooks see every row as if it had run by itself.
public final class SweepBatching {
  /// Prepares a graph for inputs of so many rows, with these hooks.
  public typealias Prepare = (_ rows: Int, _ hooks: [any Hook]) throws -> Preparation

  /// Positions that run together, at most.
  public let limit: Int
  /// The stage's number.
  let stage: Int

  private enum Source {
    case prepare(Prepare)
    // The other plan, which its batching does not keep alive.
    case beside(SweepPlan, ThreadPool, (any Hook) throws -> any Hook)
  }

  private let source: Source
  private unowned let plan: SweepPlan
  private var batches: [Int: StageBatch?] = [:]
  /// The sizes that have memory, in the order of their last use.
  private var sizes: [Int] = []
  private let lock = NSLock()
  private var preparations: [Int: Preparation?] = [:]

  /// Bytes of weights that stay in the cache from one position to the next.
  private static let cachedBytes = 64 << 20
  /// Multiply-adds for each weight from which on one row of a larger model keeps the kernels busy.
  private static let multiplyAddsPerWeight = 256.0
  /// Multiply-adds of a run of a smaller model from which on starting its kernels does not show.
  private static let multiplyAddsPerRun = 2e9
  /// Multiply-adds of a row that is too short to batch: it takes next to no time, and its smallest products would
  /// choose another kernel for more rows, with other last bits.
  private static let leastMultiplyAdds = 100e6
  /// Sizes of groups that have memory at a time.
  private static let keptSizes = 4
  /// Rows at most, unless it is said otherwise.
  private static let most = 8

  /// Rows that are best together where nothing else is asked for.
  /// - Parameters:
  ///   - weightBytes: of the stage, in float32.
  ///   - multiplyAdds: of one row.
  ///   - keepsWeights: whether kernels find them in their own layouts. Where a small model does not, other kernels would
  ///     multiply more rows, and a row's bits would depend on the others.
  static func rows(weightBytes: Int, multiplyAdds: Int, keepsWeights: Bool = true) -> Int {
    let work = Double(max(multiplyAdds, 1))
    let wanted: Double
    if weightBytes >= cachedBytes {
      wanted = multiplyAddsPerWeight * Double(weightBytes / MemoryLayout<Float>.size) / work
    } else {
      wanted = !keepsWeights || work < leastMultiplyAdds ? 1 : multiplyAddsPerRun / work
    }
    return max(1, Int(min(wanted, Double(most)).rounded()))
  }

  /// Nil where there is no such stage, or one row at a time is best.
  /// - Parameter rows: at most so many; nil leaves it to the size of the model.
  init?(_ plan: SweepPlan, rows: Int?, _ prepare: @escaping Prepare) {
    let candidates = plan.stages.indices.filter { plan.stages[$0].axes == plan.order }
    guard !plan.order.isEmpty, let stage = candidates.first, plan.preparation.supplied.isEmpty else {
      return nil
    }
    let own = plan.stages[stage].plan
    limit =
      rows
      ?? Self.rows(
        weightBytes: own.graph.parameterCount * MemoryLayout<Float>.size, multiplyAdds: own.multiplyAdds,
        keepsWeights: !own.releasesWeights)
    // What a hook puts in a value's place is of one row.
    guard limit > 1, !own.steps.contains(where: { $0.attachments.contains(where: \.alters) }) else {
      return nil
    }
    self.plan = plan
    self.stage = stage
    source = .prepare(prepare)
  }

  /// Nil where the other plan has none.
  init?(
    beside other: SweepPlan, _ plan: SweepPlan, _ pool: ThreadPool,
    _ hook: @escaping (any Hook) throws -> any Hook
  ) {
    guard let batching = other.batching else { return nil }
    limit = batching.limit
    stage = batching.stage
    self.plan = plan
    source = .beside(other, pool, hook)
  }

  /// Rows that have memory at a time, at most: of the largest sizes.
  var rowsInMemory: Int { ((max(2, limit - SweepBatching.keptSizes + 1))...max(2, limit)).reduce(0, +) }

  /// Cuts a number of positions into groups, as equal as they can be.
  public func groups(_ count: Int) -> [Int] {
    let groups = (count + limit - 1) / limit
    return (0..<groups).map { (count * ($0 + 1)) / groups - (count * $0) / groups }
  }

  /// The stage for so many rows; nil where the graph cannot be run so.
  func batch(of rows: Int) throws -> StageBatch? {
    if let known = batches[rows] {
      if known != nil { sizes = sizes.filter { $0 != rows } + [rows] }
      return known
    }
    let made = try prepared(rows).flatMap { try StageBatch($0, plan.stages[stage], of: plan, rows: rows) }
    // The sizes that were not used for longest give their memory back.
    if made != nil {
      sizes = sizes.suffix(SweepBatching.keptSizes - 1) + [rows]
      batches = batches.filter { $0.value == nil || sizes.contains($0.key) }
    }
    batches[rows] = .some(made)
    return made
  }

  /// The graph for so many rows; nil where it is for one only.
  private func prepared(_ rows: Int) throws -> Preparation? {
    try lock.withLock {
      if let known = preparations[rows] { return known }
      let made: Preparation?
      switch source {
      case .prepare(let prepare):
        let hooks = RowHook.all(of: plan.preparation, rows: rows)
        do {
          made = try prepare(rows, hooks).sharing(plan.preparation)
        } catch is DataError {
          // Not every graph takes a batch.
          made = nil
        }
      case .beside(let other, let pool, let hook):
        made = try other.batching!.prepared(rows).map { preparation in
          var hooks: [ObjectIdentifier: RowHook] = [:]
          return try Preparation(beside: preparation, pool: pool) { proxy in
            if let known = hooks[ObjectIdentifier(proxy)] { return known }
            let proxy = proxy as! RowHook
            let new = RowHook(like: proxy, try hook(proxy.hook))
            hooks[ObjectIdentifier(proxy)] = new
            return new
          }
        }
      }
      preparations[rows] = .some(made)
      return made
    }
  }
}

/// A stage planned for several rows.
final class StageBatch {
  let rows: Int
  /// How each input is made of those of the rows.
  let inputs: [String: RowKind]
  private let plan: Plan
  private let hooks: [RowHook]

  /// Nil where the values of the batch are not those of its rows, one after the other.
  init?(_ preparation: Preparation, _ stage: SweepPlan.Stage, of plan: SweepPlan, rows: Int) throws {
    let parts = try SweepPart.all(of: preparation, axes: plan.axes, order: plan.order)
    guard let part = parts.first(where: { $0.axes == stage.axes }) else { return nil }
    func kind(_ name: String) -> RowKind? {
      RowKind(preparation.types[name], of: plan.preparation.types[name], rows: rows)
    }
    let inner = plan.order.last!
    let varying = Set(
      stage.fed.filter { plan.axes[$0] == inner }
        + stage.links.filter { plan.stages[$0.stage].axes.contains(inner) }.map(\.value))
    let known = Set(stage.fed + stage.links.map(\.value))
    var inputs: [String: RowKind] = [:]
    for name in part.fed + part.links.map(\.value) {
      guard known.contains(name), let kind = kind(name), kind == .rows || !varying.contains(name) else {
        return nil
      }
      inputs[name] = kind
    }
    // What is made here is of one row's position, so that rows which share a value would be mixed up.
    guard !part.graph.nodes.contains(where: { StageBatch.mixesRows($0, kind, preparation.types) }),
      part.graph.nodes.allSatisfy({ $0.outputs.allSatisfy { $0.isEmpty || kind($0) == .rows } }),
      Set(part.graph.outputs.map(\.name)) == Set(stage.plan.graph.outputs.map(\.name))
    else { return nil }
    self.plan = try Plan(preparation, part: part.graph)
    let attachments = self.plan.steps.flatMap(\.attachments)
    guard attachments.count == stage.plan.steps.reduce(0, { $0 + $1.attachments.count }) else { return nil }
    self.rows = rows
    self.inputs = inputs
    var seen: Set<ObjectIdentifier> = []
    hooks = attachments.compactMap { $0.hook as? RowHook }.filter {
      seen.insert(ObjectIdentifier($0)).inserted
    }
  }

  /// Whether a node works along the axis that the rows lie on.
  private static func mixesRows(_ node: Node, _ kind: (String) -> RowKind?, _ types: [String: TensorType])
    -> Bool
  {
    guard let first = node.inputs.first, kind(first) == .rows else { return false }
    switch node.attributes["axis"] {
    case .int(let axis)?: return axis == 0 || Int(axis) == -(types[first]?.shape?.count ?? 0)
    case nil: return node.op == "Split" || node.op == "CumSum" || node.op == "Gather"
    default: return true
    }
  }

  /// - Parameters:
  ///   - inputs: of all rows, as `inputs` says.
  ///   - positions: of the rows.
  /// - Returns: the outputs of each row; they share memory.
  func run(
    _ inputs: [String: Tensor], at positions: [SweepPosition], profile: Profile?, cancellation: Cancellation?
  ) throws -> [[String: Tensor]] {
    for hook in hooks { hook.positions = positions }
    let outputs = try plan.run(inputs, profile: profile, cancellation: cancellation)
    return (0..<rows).map { row in outputs.mapValues { $0.row(row, of: rows) } }
  }
}

/// What a value of a batch is to those of its rows.
enum RowKind {
  /// The rows' values one after the other along the first axis.
  case rows
  /// The same for any number of rows.
  case same

  init?(_ type: TensorType?, of single: TensorType?, rows: Int) {
    guard let type, let single, type.dtype == single.dtype, let shape = type.concreteShape,
      let own = single.concreteShape
    else { return nil }
    if shape == own {
      self = .same
    } else if let first = own.first, shape == [first * rows] + own.dropFirst() {
      self = .rows
    } else {
      return nil
    }
  }
}

/// Stands for a hook where several positions run together: it wants the same values of the same nodes, and hands over
/// those of each row.
final class RowHook: Hook {
  let hook: any Hook
  /// The positions of the rows.
  var positions: [SweepPosition] = []
  private let demands: [String: Demand]
  /// The shapes of one row's values, by node.
  private let shapes: [String: [[Int]?]]
  private let rows: Int

  private init(_ hook: any Hook, _ attachments: [Attachment], _ types: [String: TensorType], rows: Int) {
    self.hook = hook
    self.rows = rows
    demands = Dictionary(
      attachments.map { ($0.node.name, $0.demand) }, uniquingKeysWith: { first, _ in first })
    shapes = Dictionary(
      attachments.map { ($0.node.name, $0.values.map { types[$0]?.concreteShape }) },
      uniquingKeysWith: { first, _ in first })
  }

  init(like other: RowHook, _ hook: any Hook) {
    self.hook = hook
    demands = other.demands
    shapes = other.shapes
    rows = other.rows
  }

  /// One for each hook that is attached to something.
  static func all(of preparation: Preparation, rows: Int) -> [any Hook] {
    var hooks: [any Hook] = []
    var attachments: [ObjectIdentifier: [Attachment]] = [:]
    for attachment in preparation.attachments {
      let key = ObjectIdentifier(attachment.hook)
      if attachments[key] == nil { hooks.append(attachment.hook) }
      attachments[key, default: []].append(attachment)
    }
    return hooks.map { RowHook($0, attachments[ObjectIdentifier($0)]!, preparation.types, rows: rows) }
  }

  var name: String { hook.name }
  var view: HookView { hook.view }

  func selects(_ node: Node, in context: HookContext) throws -> Demand? { demands[node.name] }

  func didRun(_ node: Node, _ values: inout [Tensor], at position: SweepPosition) throws {
    let shapes = shapes[node.name]!
    for (row, position) in positions.enumerated() {
      var own = zip(values, shapes).map { $0.shape == $1 ? $0 : $0.row(row, of: rows) }
      try hook.didRun(node, &own, at: position)
    }
  }
}

extension Preparation {
  /// With another's constants where they are the same, and its weights in the layouts of kernels: they are in memory
  /// once.
  fileprivate func sharing(_ other: Preparation) -> Preparation {
    var result = self
    for (name, initializer) in graph.initializers {
      guard let own = initializer.tensor, let theirs = other.graph.initializers[name]?.tensor,
        own.pointer == theirs.pointer || own.isIdentical(to: theirs)
      else { continue }
      result.graph.initializers[name]!.tensor = theirs
    }
    result.keptWeights = other.keptWeights
    return result
  }
}

extension Tensor {
  /// One of several equal parts along the first axis, as a view.
  fileprivate func row(_ row: Int, of rows: Int) -> Tensor {
    let extent = shape[0] / rows
    return self.rows(row * extent..<(row + 1) * extent)
  }

  /// Tensors of one shape, one after the other along the first axis.
  static func joined(_ tensors: [Tensor]) -> Tensor {
    let first = tensors[0]
    let result = Tensor(first.dtype, [first.shape[0] * tensors.count] + first.shape.dropFirst())
    for (row, tensor) in tensors.enumerated() {
      (result.pointer + row * first.byteCount).copyMemory(from: tensor.pointer, byteCount: first.byteCount)
    }
    return result
  }
}
