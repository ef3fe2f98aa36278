import GraphIR

/// A graph compiled for concrete input shapes: the order of steps, where every value lives, and how much
/// memory and arithmetic a run takes, all known before it starts.
public final class Plan {
  public let graph: Graph
  /// Bytes of the arena that all intermediate values share.
  public let arenaBytes: Int
  /// Bytes of scratch memory that the hungriest kernel needs.
  public let workspaceBytes: Int
  /// Bytes of outputs, which outlive the run.
  public let outputBytes: Int
  /// Bytes of constants, mapped or computed.
  public let constantBytes: Int
  /// Multiply-adds of one run.
  public let multiplyAdds: Int

  /// Memory beyond the constants.
  public var peakBytes: Int { arenaBytes + workspaceBytes + outputBytes }

  /// Whether weights in mapped files give their memory back after each use.
  let releasesWeights: Bool
  let steps: [Step]
  /// What each slot holds before a run: constants, and views into the arena.
  let initial: [RuntimeValue?]
  let slots: [String: Int]
  let outputTypes: [Int: TensorType]
  /// Types of the graph's inputs.
  let inputTypes: [String: TensorType]
  /// Slots that steps write.
  let made: Set<Int>
  let pool: ThreadPool
  let workspace: Storage
  private let arena: Storage

  /// One node's run.
  struct Step {
    let node: Node
    let op: any Operator
    /// Runs what is no kernel call: control flow with its bodies, and operators on sequences.
    let bodies: BodyRunner?
    let inputs: [Int]
    let outputs: [Int]
    /// The output shares its input's bytes and nothing runs.
    let viewShape: [Int]?
    /// Shapes are known only at run time.
    let isDynamic: Bool
    /// A dynamic step whose result must get memory of its own although its operator is a view.
    let copiesView: Bool
    /// Output slots to allocate anew, because they leave the run.
    let allocates: [Int]
    /// Dynamic slots not needed after this step.
    let releases: [Int]
    let attachments: [Attachment]
    let multiplyAdds: Int
  }

  /// Plans the graph of a preparation, or a part of it.
  /// - Parameters:
  ///   - part: a slice of the prepared graph; its inputs may be any values of it.
  ///   - releasingWeights: whether weights in mapped files give their memory back after each use, so that a run holds
  ///     few of them at a time. They come again from the system's cache of files, or from the disk.
  public init(_ preparation: Preparation, part: Graph? = nil, releasingWeights: Bool = false) throws {
    let graph = part ?? preparation.graph
    releasesWeights = releasingWeights
    self.graph = graph
    pool = preparation.pool
    var builder = PlanBuilder(graph, preparation)
    try builder.build()
    let memory = MemoryPlan(builder.blocks)
    // Reserved only: a plan can be made, and told about, on a machine that could not run it.
    arena = try Storage(reserving: memory.arenaBytes, inLargePages: true)
    workspace = try Storage(reserving: builder.workspaceBytes, inLargePages: true)
    arenaBytes = memory.arenaBytes
    workspaceBytes = builder.workspaceBytes
    outputBytes = builder.outputTypes.values.reduce(0) { $0 + ($1.byteCount ?? 0) }
    constantBytes = graph.parameterBytes
    multiplyAdds = builder.steps.reduce(0) { $0 + $1.multiplyAdds }
    steps = builder.steps
    slots = builder.slots
    made = Set(steps.flatMap(\.outputs))
    outputTypes = builder.outputTypes
    inputTypes = graph.inputs.reduce(into: [:]) { $0[$1.name] = preparation.types[$1.name] }
    var initial = builder.constants.map { $0.map(RuntimeValue.tensor) }
    for (slot, block) in builder.blockOfSlot {
      let type = builder.typeOfSlot[slot]!
      initial[slot] = .tensor(
        try Tensor(type.dtype, type.concreteShape!, in: arena, at: memory.blocks[block].offset))
    }
    self.initial = initial
  }
}
