import GraphIR

/// One walk from a value back to those that it is differentiated by.
struct GradientWalk {
  private let of: String
  private let wrt: [String]
  private let context: RewriteContext
  private let graph: GraphBuilder
  /// Positions of the graph's own nodes.
  private let positions: Range<Int>
  /// Values that depend on `wrt`.
  private let dependent: Set<String>
  /// What is known of ∂of/∂value so far.
  private var gradients: [String: Value] = [:]

  init(_ graph: Graph, _ context: RewriteContext, of: String, wrt: [String]) {
    self.of = of
    self.wrt = wrt
    self.context = context
    self.graph = GraphBuilder(graph)
    positions = graph.nodes.indices
    dependent = GradientWalk.dependents(of: Set(wrt), in: graph, context.types)
  }

  /// Floating-point values that a change of `sources` may change.
  private static func dependents(
    of sources: Set<String>, in graph: Graph, _ types: [String: TensorType]
  ) -> Set<String> {
    var result = sources
    for node in graph.nodes where GraphIndex.uses(of: node).contains(where: result.contains) {
      for name in node.outputs where !name.isEmpty && types[name]?.dtype.isFloat ?? true {
        result.insert(name)
      }
    }
    return result
  }

  mutating func run() throws {
    guard dependent.contains(of) else {
      throw DataError(
        "gradient: '\(of)' does not depend on \(wrt.map { "'\($0)'" }.joined(separator: " or "))")
    }
    try graph.scope("gradient") {
      let type = context.types[of]!
      let one = Tensor(scalar: 1.0).converted(to: type.dtype)
      let shape = type.concreteShape!
      let seed = graph.constant(one, "one")
      gradients[of] = shape.isEmpty ? seed : graph.Expand(seed, graph.ints(shape))
      for position in positions.reversed() {
        let node = graph.graph.nodes[position]
        guard node.outputs.contains(where: { gradients[$0] != nil }) else { continue }
        do {
          try visit(node, position)
        } catch let error as DataError {
          throw error.at(node.label)
        }
      }
    }
  }

  private mutating func visit(_ node: Node, _ position: Int) throws {
    let wanted = node.inputs.indices.filter { dependent.contains(node.inputs[$0]) }
    guard !wanted.isEmpty else {
      guard node.subgraphs.isEmpty || GraphIndex.uses(of: node).allSatisfy({ !dependent.contains($0) }) else {
        throw DataError("has no gradient through values that its bodies capture")
      }
      return
    }
    let opset = graph.graph.opset(of: node.domain) ?? 1
    guard let op = try context.operators.bind(node, opset: opset) as? any DifferentiableOperator else {
      throw DataError("has no gradient")
    }
    let (graph, operators) = (graph, context.operators)
    let own = GradientContext(
      graph, node, types: context.types, constants: context.constants,
      outputGradients: node.outputs.map { gradients[$0] }, wanted: Set(wanted)
    ) { form in
      let name = graph.graph.nodes[position].name + "/" + form.rawValue
      guard let exposed = operators.exposing(form, of: graph.graph.nodes[position], as: name) else {
        throw DataError("cannot give its \(form.rawValue)")
      }
      graph.edit { $0.nodes[position] = exposed.node }
      return Value(exposed.value)
    }
    let results = try graph.scope(node.name) { try op.gradient(own) }
    // In order, so that equal graphs have equal gradients.
    for (input, result) in zip(node.inputs, results) where dependent.contains(input) {
      guard let result else { continue }
      gradients[input] = gradients[input].map { graph.Add($0, result, name: "sum") } ?? result
    }
  }

  /// The graph with the gradients under their names, as outputs.
  func finished() -> Graph {
    for name in wrt {
      let type = context.types[name]!
      let value =
        gradients[name]
        ?? graph.Expand(
          graph.constant(Tensor(scalar: 0.0).converted(to: type.dtype), "zero"),
          graph.ints(type.concreteShape!))
      graph.output(value, as: Gradient.name(name), type)
    }
    return graph.graph
  }
}
