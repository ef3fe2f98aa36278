import GraphIR

/// Works out the steps of a plan and which values share memory.
struct PlanBuilder {
  let graph: Graph
  let preparation: Preparation

  private(set) var steps: [Plan.Step] = []
  private(set) var slots: [String: Int] = [:]
  private(set) var constants: [Tensor?] = []
  private(set) var typeOfSlot: [Int: TensorType] = [:]
  /// The arena block of each slot that lives in the arena.
  private(set) var blockOfSlot: [Int: Int] = [:]
  private(set) var blocks: [MemoryPlan.Block] = []
  private(set) var outputTypes: [Int: TensorType] = [:]
  /// Slots of the graph's outputs, also of those whose types only a run tells.
  private var outputSlots: Set<Int> = []
  private(set) var workspaceBytes = 0
  /// Bytes of weights kept in the layouts of kernels.
  private(set) var keptBytes = 0

  private let keepsWeights: Bool

  /// - Parameter keepsWeights: whether weights may be laid out ahead of runs.
  init(_ graph: Graph, _ preparation: Preparation, keepsWeights: Bool) {
    self.graph = graph
    self.preparation = preparation
    self.keepsWeights = keepsWeights
  }

  mutating func build() throws {
    let fed = Set(graph.inputs.map(\.name))
    for input in graph.inputs { _ = slot(input.name) }
    for (name, initializer) in graph.initializers where !fed.contains(name) {
      constants[slot(name)] = initializer.tensor
    }
    for node in graph.nodes { for name in node.outputs where !name.isEmpty { _ = slot(name) } }
    for (name, slot) in slots { typeOfSlot[slot] = preparation.types[name] }
    for output in graph.outputs {
      guard let slot = slots[output.name] else { throw DataError("nothing makes output '\(output.name)'") }
      outputTypes[slot] = preparation.types[output.name]
      outputSlots.insert(slot)
    }

    let bound = try boundOperators()
    let attachments = attachmentsByStep()
    let lastUse = lastUses(attachments)
    for (position, node) in graph.nodes.enumerated() {
      try append(node, bound[position], position, lastUse, attachments[position] ?? [])
    }
  }

  /// The nodes' operators, those that gain by it with their weights laid out ahead.
  private mutating func boundOperators() throws -> [any Operator] {
    var operators = try graph.nodes.map { node in
      try preparation.operators.bind(node, opset: graph.opset(of: node.domain) ?? 1)
    }
    guard keepsWeights else { return operators }
    // A hook may replace what it sees.
    let altered = Set(preparation.attachments.flatMap(\.altered))
    var keepable: [(position: Int, weight: KeepableWeight)] = []
    var bytes = 0
    for (position, node) in graph.nodes.enumerated() {
      guard let op = operators[position] as? any WeightKeepingOperator else { continue }
      let known = node.inputs.map { name -> Tensor? in
        name.isEmpty || altered.contains(name) ? nil : constants[slots[name]!]
      }
      let types = node.inputs.map { $0.isEmpty ? nil : preparation.types[$0] }
      guard let weight = op.keepable(types, constants: known) else { continue }
      bytes += weight.byteCount
      if bytes > KeptWeights.planLimit { return operators }
      keepable.append((position, weight))
    }
    keptBytes = bytes
    for (position, weight) in keepable {
      operators[position] = preparation.keptWeights.reading(weight, pool: preparation.pool)
    }
    return operators
  }

  private mutating func slot(_ name: String) -> Int {
    if let known = slots[name] { return known }
    let new = constants.count
    slots[name] = new
    constants.append(nil)
    return new
  }

  /// The last step that reads each slot's bytes, through views as well.
  private func lastUses(_ attachments: [Int: [Attachment]]) -> [Int: Int] {
    var last: [Int: Int] = [:]
    for (position, node) in graph.nodes.enumerated() {
      for name in GraphIndex.uses(of: node) { if let slot = slots[name] { last[slot] = position } }
      for name in node.outputs where !name.isEmpty { last[slots[name]!, default: position] = position }
    }
    for (position, list) in attachments {
      for name in list.flatMap(\.values) {
        let slot = slots[name]!
        last[slot] = max(last[slot] ?? position, position)
      }
    }
    return last
  }

  /// A hook runs right after its node, or after the step that makes the last of its values where the node has
  /// been rewritten. Hooks on nodes of other parts of the graph are not this plan's.
  private func attachmentsByStep() -> [Int: [Attachment]] {
    let producer = graph.producers
    let positions = Dictionary(
      graph.nodes.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    let everywhere = Set(preparation.graph.nodes.map(\.name))
    var result: [Int: [Attachment]] = [:]
    for attachment in preparation.attachments {
      guard attachment.values.allSatisfy({ slots[$0] != nil }) else { continue }
      let made = attachment.values.compactMap { producer[$0] }
      let own = positions[attachment.node.name]
      guard let step = (made + (own.map { [$0] } ?? [])).max() else { continue }
      // Inputs of the node may come from another stage, its outputs and forms may not. A part of the graph
      // that only makes them leaves the call to the node's own.
      guard own != nil || !everywhere.contains(attachment.node.name) && made.count == attachment.values.count
      else { continue }
      result[step, default: []].append(attachment)
    }
    return result
  }

  private mutating func append(
    _ node: Node, _ op: any Operator, _ position: Int, _ lastUse: [Int: Int], _ attachments: [Attachment]
  ) throws {
    let inputs = node.inputs.map { $0.isEmpty ? -1 : slots[$0]! }
    let outputs = node.outputs.map { $0.isEmpty ? -1 : slots[$0]! }
    let inputTypes = inputs.map { $0 < 0 ? nil : typeOfSlot[$0] }
    let known = outputs.filter { $0 >= 0 }
    let bodies = op is any ValueOperator ? BodyRunner(node, graph, slots, preparation) : nil
    let isDynamic =
      bodies != nil || known.contains { typeOfSlot[$0]?.byteCount == nil }
      || inputs.contains { $0 >= 0 && typeOfSlot[$0]?.byteCount == nil }

    let hooked = Set(attachments.flatMap(\.values).compactMap { blockOfSlot[slots[$0]!] })
    var viewShape: [Int]?
    var allocates: [Int] = []
    for (index, slot) in outputs.enumerated() where slot >= 0 && !isDynamic {
      let type = typeOfSlot[slot]!
      if index == 0, op.aliasing == .view, inputs[0] >= 0, !outputSlots.contains(slot) {
        viewShape = type.concreteShape
        if let block = blockOfSlot[inputs[0]] {
          blockOfSlot[slot] = block
          extend(block, to: lastUse[slot]!)
        }
        continue
      }
      if outputSlots.contains(slot) {
        allocates.append(slot)
      } else if index == 0, let block = reusable(op, inputs, type, position, hooked) {
        blockOfSlot[slot] = block
        extend(block, to: lastUse[slot]!)
      } else {
        blockOfSlot[slot] = blocks.count
        blocks.append(.init(bytes: type.byteCount!, first: position, last: lastUse[slot]!))
      }
    }
    if !isDynamic {
      for slot in inputs where slot >= 0 { if let block = blockOfSlot[slot] { extend(block, to: position) } }
      let bytes = op.workspace(inputTypes, threads: preparation.pool.threadCount)
      workspaceBytes = max(workspaceBytes, bytes)
    }
    // A view made at run time must not point into memory that is used again or leaves the run.
    let copiesView =
      isDynamic && op.aliasing == .view
      && (inputs.first.map { blockOfSlot[$0] != nil } ?? false
        || outputs.first.map(outputSlots.contains) ?? false)
    let dynamicInputs = Set(inputs).filter { $0 >= 0 && typeOfSlot[$0]?.byteCount == nil }
    steps.append(
      Plan.Step(
        node: node, op: op, bodies: bodies, inputs: inputs, outputs: outputs, viewShape: viewShape,
        isDynamic: isDynamic, copiesView: copiesView, allocates: allocates,
        releases: dynamicInputs.filter { lastUse[$0] == position && !outputSlots.contains($0) },
        attachments: attachments,
        multiplyAdds: isDynamic ? 0 : op.multiplyAdds(inputTypes, known.compactMap { typeOfSlot[$0] }),
        bytes: isDynamic || viewShape != nil
          ? 0 : (inputTypes + known.map { typeOfSlot[$0] }).reduce(0) { $0 + ($1?.byteCount ?? 0) }))
  }

  private mutating func extend(_ block: Int, to position: Int) {
    blocks[block].last = max(blocks[block].last, position)
  }

  /// The block of an input that dies here and that the output may overwrite.
  private func reusable(
    _ op: any Operator, _ inputs: [Int], _ type: TensorType, _ position: Int, _ hooked: Set<Int>
  ) -> Int? {
    guard case .inPlace(let candidates) = op.aliasing else { return nil }
    for candidate in candidates where candidate < inputs.count {
      let slot = inputs[candidate]
      guard slot >= 0, let block = blockOfSlot[slot], !hooked.contains(block), typeOfSlot[slot] == type,
        blocks[block].last <= position
      else { continue }
      // Another input in the same bytes may be read after the output has gone over it.
      if inputs.filter({ $0 >= 0 && blockOfSlot[$0] == block }).count == 1 { return block }
    }
    return nil
  }
}
