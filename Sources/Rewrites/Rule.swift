import GraphIR

/// A pattern and what takes its place: A → B.
///
/// The replacement must have the type of what it replaces. Inner values that something else still uses stay,
/// with the nodes that make them; what nothing uses any more is cut afterwards.
public struct Rule: Sendable {
  public let name: String
  public let pattern: Pattern
  let condition: @Sendable (Match) throws -> Void
  let replacement: @Sendable (GraphBuilder, Match) throws -> Value

  /// - Parameters:
  ///   - condition: throws `Decline` where the rule does not apply although the pattern matches.
  ///   - replacement: emits nodes and gives the value that takes the root's place.
  public init(
    _ name: String, _ pattern: Pattern,
    where condition: @escaping @Sendable (Match) throws -> Void = { _ in },
    replacement: @escaping @Sendable (GraphBuilder, Match) throws -> Value
  ) {
    self.name = name
    self.pattern = pattern
    self.condition = condition
    self.replacement = replacement
  }
}

/// Rules applied together, over and over, until none applies.
public struct RuleSet: GraphRewrite {
  public let name: String
  public let rules: [Rule]

  public init(_ name: String, _ rules: [Rule]) {
    self.name = name
    self.rules = rules
  }

  public static func + (a: RuleSet, b: RuleSet) -> RuleSet {
    RuleSet("\(a.name)+\(b.name)", a.rules + b.rules)
  }

  /// Rounds after which a set that still changes the graph is stopped.
  private static let roundLimit = 16

  public func apply(_ graph: Graph, _ context: RewriteContext) throws -> Graph {
    let (wanted, fed) = (graph.outputs.map(\.name), Set(graph.inputs.map(\.name)))
    var current = graph.passingIdentities(except: context.altered)
    var types = context.types
    for _ in 0..<RuleSet.roundLimit {
      current = current.sharingNodes(except: context.altered).sliced(to: wanted, given: fed)
      let (next, newTypes, changed) = try round(current, context, types)
      if !changed { return next }
      current = next
      types = newTypes
    }
    return current
  }

  /// One walk from the outputs to the inputs, so that the largest patterns are met first.
  private func round(
    _ graph: Graph, _ context: RewriteContext, _ types: [String: TensorType]
  ) throws -> (Graph, [String: TensorType], Bool) {
    let context = RewriteContext(
      operators: context.operators, types: types, constants: context.constants,
      altered: context.altered, trace: context.trace)
    let matcher = Matcher(graph: graph, index: GraphIndex(graph), context: context)
    var consumed: Set<String> = []
    var replacements: [String: [Node]] = [:]
    var initializers: [(String, Initializer)] = []
    var newTypes = types
    let used = TakenNames(graph.allNames)
    var candidates: [String: [Rule]] = [:]
    for op in Set(graph.nodes.map(\.op)) {
      candidates[op] = rules.filter { $0.pattern.rootOperators?.contains(op) ?? true }
    }
    for node in graph.nodes.reversed() where !consumed.contains(node.name) {
      for rule in candidates[node.op] ?? [] {
        guard let match = matcher.match(rule.pattern, at: node),
          consumed.isDisjoint(with: match.matched)
        else { continue }
        do {
          try rule.condition(match)
          let built = try build(rule, match, context, used)
          newTypes.merge(built.types) { $1 }
          initializers += built.initializers
          replacements[node.name] = built.nodes
          consumed.formUnion(match.matched)
          break
        } catch let decline as Decline {
          guard !decline.description.isEmpty else { continue }
          context.trace?("\(rule.name) declines at \(node.label): \(decline)")
        } catch let error as DataError {
          // An operator does not take these types and shapes, while what it would replace does.
          context.trace?("\(rule.name) declines at \(node.label): \(error)")
        }
      }
    }
    guard !replacements.isEmpty else { return (graph, types, false) }
    var result = graph
    result.nodes = graph.nodes.flatMap { replacements[$0.name] ?? [$0] }
    result = result.passingIdentities(except: context.altered)
    for (name, initializer) in initializers { result.initializers[name] = initializer }
    let wanted = graph.outputs.map(\.name)
    let fed = Set(graph.inputs.map(\.name))
    return (try result.sliced(to: wanted, given: fed).sorted(), newTypes, true)
  }

  private struct Built {
    var nodes: [Node]
    var initializers: [(String, Initializer)]
    var types: [String: TensorType]
  }

  /// Runs the replacement in a scratch graph, checks its type and gives its root the old name.
  private func build(
    _ rule: Rule, _ match: Match, _ context: RewriteContext, _ used: TakenNames
  ) throws -> Built {
    var scratch = Graph(opsets: match.graph.opsets)
    // Fresh names differ from those of the surrounding graph.
    let builder = GraphBuilder(scratch, names: used)
    let value = try builder.scope(match.root.name) { try rule.replacement(builder, match) }
    scratch = builder.graph
    let target = match.root.outputs[0]
    guard let last = scratch.nodes.lastIndex(where: { $0.outputs.contains(value.name) }) else {
      // The whole pattern is one of its own variables, or a constant.
      let identity = Node("Identity", name: match.root.name, inputs: [value.name], outputs: [target])
      let made = scratch.initializers.map { ($0.key, $0.value) }
      return Built(nodes: [identity], initializers: made, types: [:])
    }
    for position in scratch.nodes.indices {
      scratch.nodes[position].outputs = scratch.nodes[position].outputs.map {
        $0 == value.name ? target : $0
      }
      scratch.nodes[position].inputs = scratch.nodes[position].inputs.map {
        $0 == value.name ? target : $0
      }
    }
    scratch.nodes[last].name = match.root.name
    scratch.nodes[last].metadata.merge(match.root.metadata) { own, _ in own }
    var types = scratch.initializers.reduce(into: [String: TensorType]()) { $0[$1.key] = $1.value.type }
    for node in scratch.nodes {
      let bound = try context.operators.bind(node, opset: match.graph.opset(of: node.domain) ?? 1)
      let inputs = node.inputs.map { $0.isEmpty ? nil : types[$0] ?? context.types[$0] }
      try context.operators.checkTypes(type(of: bound).schema, inputs)
      let constants = node.inputs.map { name in
        scratch.initializers[name]?.tensor ?? context.constants[name]
      }
      let inferred = try bound.infer(
        InferenceInputs(inputs, constants: constants, outputCount: node.outputs.count))
      for (name, type) in zip(node.outputs, inferred) where !name.isEmpty { types[name] = type }
    }
    if let old = context.types[target], let new = types[target], !old.agrees(with: new) {
      throw Decline("the replacement is \(new), not \(old)")
    }
    return Built(
      nodes: scratch.nodes, initializers: scratch.initializers.map { ($0.key, $0.value) }, types: types)
  }
}
