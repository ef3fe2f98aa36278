import GraphIR

/// Computes, before the run, every node that depends on constants alone.
struct ConstantFolding {
  let pool: ThreadPool
  /// Values whose nodes stay, because a hook wants to see them run.
  let keep: Set<String>
  /// Values that a hook may replace: what depends on them is not constant.
  let altered: Set<String>
  /// With little of it, weights stay as they are stored.
  let memory: MemoryUse

  /// What folding may add to a graph, beside a few times its own constants: a node that makes much of little
  /// (ConstantOfShape, Expand, Tile) stays, so that its memory is the run's, which a plan tells before it starts.
  private static let growthLimit = 64 << 20
  /// Multiply-adds of all folded nodes together.
  private static let workLimit = 1 << 30

  /// The graph with such nodes replaced by initializers. The graph is sorted and complete.
  /// - Parameter given: what is fed, containers too.
  func fold(
    _ graph: Graph, _ operators: OperatorSet, fed: [String: TensorType], given: Set<String>
  ) throws -> Graph {
    let inference = try TypeInference(
      graph, operators, inputs: fed, opaque: altered, requiresEveryBranch: false, pool: pool)
    var result = graph.foldingKnown(inference.constants, except: keep)
    var known: [String: Tensor] = [:]
    for (name, initializer) in result.initializers where !given.contains(name) {
      if let tensor = initializer.tensor { known[name] = tensor }
    }
    var kept: [Node] = []
    var bytes = ConstantFolding.growthLimit + 4 * graph.parameterBytes
    var work = ConstantFolding.workLimit
    for node in result.nodes {
      let inputs = node.inputs.filter { !$0.isEmpty }
      guard !node.inputs.isEmpty, inputs.allSatisfy({ known[$0] != nil }),
        keep.isDisjoint(with: node.outputs),
        memory == .full || !LateWeights.makes(node, node.inputs.map { known[$0] }),
        let outputs = try evaluate(
          node, graph, operators, node.inputs.map { known[$0] }, bytes: &bytes, work: &work)
      else {
        kept.append(node)
        continue
      }
      for (name, tensor) in zip(node.outputs, outputs) {
        guard !name.isEmpty, let tensor else { continue }
        known[name] = tensor
        result.initializers[name] = Initializer(tensor)
      }
    }
    result.nodes = kept
    if memory == .low { result = LateWeights.moved(result, given: given) }
    // A constant that only folded nodes used can go, and with it its memory.
    return result.sliced(to: result.outputs.map(\.name), given: given)
  }

  /// The node's outputs, or nil when they go beyond what is left, and for operators on values.
  private func evaluate(
    _ node: Node, _ graph: Graph, _ operators: OperatorSet, _ inputs: [Tensor?], bytes: inout Int,
    work: inout Int
  ) throws -> [Tensor?]? {
    let bound = try operators.bind(node, opset: graph.opset(of: node.domain) ?? 1)
    if bound is any ValueOperator { return nil }
    do {
      let types = try bound.outputTypes(inputs, outputCount: node.outputs.count)
      let size = types.reduce(0) { $0 + $1.byteCount! }
      let cost = bound.multiplyAdds(inputs.map { $0.map { TensorType($0.dtype, $0.shape) } }, types)
      guard size <= bytes, cost <= work else { return nil }
      bytes -= size
      work -= cost
      return try bound.runAllocating(inputs, outputCount: node.outputs.count, pool: pool)
    } catch let error as DataError {
      throw error.at(node.label)
    }
  }
}

extension Graph {
  /// The graph with nodes whose outputs are all known replaced by initializers.
  func foldingKnown(_ constants: [String: Tensor], except keep: Set<String>) -> Graph {
    var result = self
    result.nodes = []
    for node in nodes {
      let outputs = node.outputs.filter { !$0.isEmpty }
      if !outputs.isEmpty, outputs.allSatisfy({ constants[$0] != nil }), keep.isDisjoint(with: outputs) {
        for name in outputs { result.initializers[name] = Initializer(constants[name]!) }
      } else {
        result.nodes.append(node)
      }
    }
    return result
  }
}
