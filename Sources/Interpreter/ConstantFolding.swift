import GraphIR

/// Computes, before the run, every node that depends on constants alone.
struct ConstantFolding {
  let pool: ThreadPool
  /// Values whose nodes stay, because a hook wants to see them run.
  let keep: Set<String>
  /// Values that a hook may replace: what depends on them is not constant.
  let altered: Set<String>

  /// The graph with such nodes replaced by initializers. The graph is sorted and complete.
  func fold(_ graph: Graph, _ operators: OperatorSet, fed: [String: TensorType]) throws -> Graph {
    let inference = try TypeInference(graph, operators, inputs: fed, opaque: altered, pool: pool)
    var result = graph.foldingKnown(inference.constants, except: keep)
    var known: [String: Tensor] = [:]
    for (name, initializer) in result.initializers where fed[name] == nil {
      if let tensor = initializer.tensor { known[name] = tensor }
    }
    var kept: [Node] = []
    for node in result.nodes {
      let inputs = node.inputs.filter { !$0.isEmpty }
      guard !node.inputs.isEmpty, node.subgraphs.isEmpty, inputs.allSatisfy({ known[$0] != nil }),
        keep.isDisjoint(with: node.outputs)
      else {
        kept.append(node)
        continue
      }
      let outputs = try evaluate(node, graph, operators, node.inputs.map { known[$0] })
      for (name, tensor) in zip(node.outputs, outputs) {
        guard !name.isEmpty, let tensor else { continue }
        known[name] = tensor
        result.initializers[name] = Initializer(tensor)
      }
    }
    result.nodes = kept
    // A constant that only folded nodes used can go, and with it its memory.
    return result.sliced(to: result.outputs.map(\.name), given: Set(fed.keys))
  }

  private func evaluate(
    _ node: Node, _ graph: Graph, _ operators: OperatorSet, _ inputs: [Tensor?]
  ) throws -> [Tensor?] {
    let bound = try operators.bind(node, opset: graph.opset(of: node.domain) ?? 1)
    do {
      return try bound.runAllocating(inputs, outputCount: node.outputs.count, pool: pool)
    } catch let error as DataError {
      throw error.at(node.label)
    }
  }
}

extension Operator {
  /// Infers from the values themselves, allocates the outputs and runs.
  func runAllocating(_ inputs: [Tensor?], outputCount: Int, pool: ThreadPool) throws -> [Tensor?] {
    let types = inputs.map { $0.map { TensorType($0.dtype, $0.shape) } }
    let request = InferenceInputs(types, constants: inputs, outputCount: outputCount)
    if let known = knownOutputs(request) { return known }
    let inferred = try infer(request)
    var outputs: [Tensor?] = []
    for type in inferred.prefix(outputCount) {
      guard let shape = type.concreteShape, let bytes = type.byteCount else {
        throw DataError("the shape of an output is not known even at run time")
      }
      try Storage.checkFits(bytes, "an output \(type)")
      outputs.append(Tensor(type.dtype, shape))
    }
    if aliasing == .view, let source = inputs.first ?? nil, let output = outputs.first ?? nil {
      return [source.reshaped(output.shape)]
    }
    let scratch = Storage(byteCount: workspace(types, threads: pool.threadCount))
    // The context holds the memory by its address alone.
    try withExtendedLifetime(scratch) {
      try runWidened(
        inputs, into: outputs,
        RunContext(pool: pool, workspace: .init(start: scratch.base, count: scratch.byteCount)))
    }
    return outputs
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
