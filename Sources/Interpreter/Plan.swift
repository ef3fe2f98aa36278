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
  /// Bytes of weights that are laid out ahead of runs for the kernels; plans of one preparation may share them.
  public let keptBytes: Int
  /// Multiply-adds of one run.
  public let multiplyAdds: Int

  /// Memory beyond the constants.
  public var peakBytes: Int { arenaBytes + workspaceBytes + outputBytes + keptBytes }

  /// Whether weights in mapped files give their memory back after each use. They come again from the system's cache of
  /// files, or from the disk.
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

  /// One node's run. A class, so that a run copies no parts of it.
  final class Step {
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
    /// What profiles tell of it.
    let label: Profile.Label
    /// Of inputs and outputs; 0 where shapes are known only at run time.
    let bytes: Int
    /// The tensors of every run, where they are the same ones in all of them.
    fileprivate(set) var fixed: (inputs: [Tensor?], outputs: [Tensor?])?

    init(
      node: Node, op: any Operator, bodies: BodyRunner?, inputs: [Int], outputs: [Int], viewShape: [Int]?,
      isDynamic: Bool, copiesView: Bool, allocates: [Int], releases: [Int], attachments: [Attachment],
      multiplyAdds: Int, bytes: Int
    ) {
      self.node = node
      label = Profile.Label(node)
      self.op = op
      self.bodies = bodies
      self.inputs = inputs
      self.outputs = outputs
      self.viewShape = viewShape
      self.isDynamic = isDynamic
      self.copiesView = copiesView
      self.allocates = allocates
      self.releases = releases
      self.attachments = attachments
      self.multiplyAdds = multiplyAdds
      self.bytes = bytes
    }
  }

  /// Plans the graph of a preparation, or a part of it.
  /// - Parameters:
  ///   - part: a slice of the prepared graph; its inputs may be any values of it.
  /// - Throws: `DataError` when the memory that is asked for has no addresses.
  public init(_ preparation: Preparation, part: Graph? = nil) throws {
    let graph = part ?? preparation.graph
    releasesWeights = try preparation.graph.memoryUse() == .low
    self.graph = graph
    pool = preparation.pool
    var builder = PlanBuilder(graph, preparation, keepsWeights: !releasesWeights)
    try builder.build()
    let memory = MemoryPlan(builder.blocks)
    // Reserved only: a plan can be made, and told about, on a machine that could not run it.
    arena = try Storage(reserving: memory.arenaBytes, inLargePages: true)
    workspace = try Storage(reserving: builder.workspaceBytes, inLargePages: true)
    arenaBytes = memory.arenaBytes
    workspaceBytes = builder.workspaceBytes
    outputBytes = builder.outputTypes.values.reduce(0) { $0 + ($1.byteCount ?? 0) }
    constantBytes = graph.parameterBytes
    keptBytes = builder.keptBytes
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
    fixTensors()
  }

  /// Finds the steps whose tensors are constants or in the arena.
  private func fixTensors() {
    var fixed = Set(initial.indices.filter { initial[$0]?.tensor != nil })
    for input in graph.inputs { fixed.remove(slots[input.name]!) }
    for step in steps {
      fixed.subtract(step.allocates)
      if step.isDynamic || step.bodies != nil { fixed.subtract(step.outputs) }
      for name in step.attachments.flatMap(\.altered) { fixed.remove(slots[name]!) }
    }
    for step in steps {
      let used = step.inputs + step.outputs
      if !step.isDynamic, step.bodies == nil, used.allSatisfy({ $0 < 0 || fixed.contains($0) }) {
        step.fixed = (
          step.inputs.map { $0 < 0 ? nil : initial[$0]!.tensor },
          step.outputs.map { $0 < 0 ? nil : initial[$0]!.tensor }
        )
      } else if step.viewShape != nil {
        fixed.remove(step.outputs[0])
      }
    }
  }
}
