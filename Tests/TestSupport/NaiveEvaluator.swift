import GraphIR
import Operators

/// Evaluates a graph node by node, every value in memory of its own: what planned runs are compared with.
public enum NaiveEvaluator {
  /// Every value of the graph.
  /// - Parameters:
  ///   - inputs: tensors of inputs; a name of another value takes the place of what a node makes.
  ///   - substitute: gets every value a node makes and gives what takes its place.
  public static func values(
    _ graph: Graph, _ inputs: [String: Tensor], substitute: (String, Tensor) -> Tensor = { $1 }
  ) throws -> [String: Tensor] {
    var values = inputs
    for (name, initializer) in graph.initializers where values[name] == nil {
      values[name] = initializer.tensor
    }
    let pool = ThreadPool(threads: 1)
    for node in try graph.sorted().nodes {
      let given = node.inputs.map { $0.isEmpty ? nil : values[$0] }
      let missing = zip(node.inputs, given).contains { !$0.isEmpty && $1 == nil }
      // Upstream of what is fed, inputs may be missing.
      if missing { continue }
      for (name, tensor) in zip(node.outputs, try outputs(node, given, graph, pool))
      where !name.isEmpty && inputs[name] == nil {
        values[name] = substitute(name, tensor)
      }
    }
    return values
  }

  private static func outputs(
    _ node: Node, _ inputs: [Tensor?], _ graph: Graph, _ pool: ThreadPool
  ) throws -> [Tensor] {
    let bound = try OperatorSet.standard.bind(node, opset: graph.opset(of: node.domain) ?? 1)
    let types = inputs.map { $0.map { TensorType($0.dtype, $0.shape) } }
    let request = InferenceInputs(types, constants: inputs, outputCount: node.outputs.count)
    if let known = bound.knownOutputs(request) { return known }
    let outputs = try bound.infer(request).prefix(node.outputs.count).map { type in
      guard let shape = type.concreteShape else { throw DataError("\(node.label) gives \(type)") }
      return Tensor(type.dtype, shape)
    }
    if bound.aliasing == .view, let source = inputs[0] {
      outputs[0].assign(source)
      return outputs
    }
    let scratch = Storage(byteCount: bound.workspace(types, threads: 1))
    // Two inputs never share memory here, so that an operator cannot profit from it by accident.
    try withExtendedLifetime(scratch) {
      try bound.runWidened(
        inputs.map { $0?.copy() }, into: outputs,
        RunContext(pool: pool, workspace: .init(start: scratch.base, count: scratch.byteCount)))
    }
    return outputs
  }
}
