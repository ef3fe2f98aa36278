import GraphIR

extension Graph {
  /// The graph after some rewrites, one after the other, cut to some outputs and what the rewrites make. Nothing is
  /// folded, so weights stay where they are.
  /// - Parameters:
  ///   - inputs: types of inputs, which become the declared ones.
  ///   - outputs: values of the graph, or of what a rewrite makes; what the rewrites make when nil.
  /// - Throws: `DataError` for values that are not there, and whatever inference and the rewrites find.
  public func applying(
    _ rewrites: [any GraphRewrite], _ operators: OperatorSet, inputs: [String: TensorType] = [:],
    outputs: [String]? = nil, pool: ThreadPool, trace: (@Sendable (String) -> Void)? = nil
  ) throws -> Graph {
    var graph = try sorted()
    for position in graph.inputs.indices {
      if let type = inputs[graph.inputs[position].name] { graph.inputs[position].type = type }
    }
    let made = rewrites.flatMap(\.makes)
    let wanted = outputs ?? made
    let names = graph.valueNames
    for name in wanted + rewrites.flatMap(\.needs) where !names.contains(name) && !made.contains(name) {
      throw DataError("the graph has no value '\(name)'")
    }
    let needed = Set(rewrites.flatMap(\.needs))
    var kept = (wanted + rewrites.flatMap(\.needs)).filter { !made.contains($0) }
    for rewrite in rewrites {
      kept += rewrite.makes
      // Declared types of the shapes that were may be wider than what concrete inputs make them.
      graph.valueTypes = [:]
      graph = graph.sliced(to: unique(kept.filter { graph.valueNames.contains($0) }))
      let inference = try TypeInference(graph, operators, pool: pool)
      let context = RewriteContext(
        operators: operators, types: inference.types, constants: inference.constants, altered: needed,
        trace: trace)
      graph = try rewrite.apply(graph, context).sliced(to: unique(kept)).sorted()
    }
    graph = graph.sliced(to: unique(wanted))
    let types = try TypeInference(graph, operators, pool: pool).types
    graph.outputs = graph.outputs.map { ValueInfo($0.name, types[$0.name]) }
    return graph
  }

  private func unique(_ names: [String]) -> [String] {
    var seen: Set<String> = []
    return names.filter { seen.insert($0).inserted }
  }
}
