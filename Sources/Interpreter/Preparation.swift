import GraphIR

/// A graph made ready for planning: cut to what is asked for, rewritten, with hooks attached and every
/// constant folded.
public struct Preparation {
  public internal(set) var graph: Graph
  public let operators: OperatorSet
  /// Concrete types of every value for the input types given.
  public let types: [String: TensorType]
  /// Hooks by the name of the value after whose making they are called.
  public let attachments: [Attachment]
  /// Values that hooks supply.
  public let supplied: [String: Tensor]
  public let pool: ThreadPool
  /// Weights in the layouts of kernels.
  var keptWeights: KeptWeights

  /// - Parameters:
  ///   - inputs: concrete types of what will be fed; a name may be any value of the graph.
  ///   - containers: inputs that sequences or optionals will be fed to.
  ///   - outputs: the values wanted; the graph's own outputs when nil.
  ///   - rewrites: passes applied in order, recognition and fusion; what they make becomes outputs too.
  ///   - optional: outputs that need not exist.
  /// - Throws: `DataError` for missing inputs, unknown values, and whatever inference finds.
  public init(
    _ source: Graph, _ operators: OperatorSet, inputs: [String: TensorType],
    containers: Set<String> = [], outputs: [String]? = nil, hooks: [any Hook] = [],
    rewrites: [any GraphRewrite] = [],
    pool: ThreadPool, trace: (@Sendable (String) -> Void)? = nil
  ) throws {
    self.operators = operators
    self.pool = pool
    keptWeights = KeptWeights()
    var graph = try source.sorted()
    // An input with a default that nothing feeds is the default, a constant.
    graph.inputs.removeAll {
      graph.initializers[$0.name] != nil && inputs[$0.name] == nil && !containers.contains($0.name)
    }
    let names = graph.valueNames
    let wanted = outputs ?? graph.outputs.map(\.name)
    // What rewrites are to make is not there before them; what they need stays until all have been applied.
    let needed = rewrites.flatMap(\.needs).filter { name in !rewrites.contains { $0.makes.contains(name) } }
    for name in wanted + needed where !names.contains(name) {
      throw DataError("the graph has no value '\(name)'")
    }
    for name in inputs.keys.sorted() + containers.sorted() where !names.contains(name) {
      throw DataError("the graph has no value '\(name)' to feed")
    }

    var supplied: [String: Tensor] = [:]
    for hook in hooks { supplied.merge(try hook.supplies(graph)) { $1 } }
    for name in supplied.keys.sorted() where !names.contains(name) {
      throw DataError("the graph has no value '\(name)' to replace")
    }
    self.supplied = supplied
    var fed = inputs
    for (name, tensor) in supplied { fed[name] = TensorType(tensor.dtype, tensor.shape) }
    let given = containers.union(fed.keys)
    try Preparation.checkFed(fed, graph)
    try Preparation.checkReplaced(fed, graph, operators, pool)

    // Hooks see every node that what is fed can reach, whether or not the outputs need it.
    let sinks = hooks.isEmpty ? [] : Preparation.runnableSinks(graph, fed)
    graph = graph.sliced(to: Preparation.unique(wanted + needed + sinks), given: given)
    var attachments: [Attachment] = []
    let sourceHooks = hooks.filter { $0.view == .source }
    if !sourceHooks.isEmpty {
      attachments += try Preparation.attach(sourceHooks, to: &graph, operators, types: [:])
    }
    let observed = Preparation.observed(attachments, graph)
    let altered = Set(attachments.flatMap(\.altered))
    let needsAll = hooks.contains { $0.view == .canonical }
    let sourceWanted = Preparation.unique(wanted + needed + observed)
    var kept = needsAll ? Preparation.unique(sourceWanted + sinks) : sourceWanted
    graph = graph.sliced(to: kept, given: given)
    try Preparation.checkComplete(graph, given)

    func inferred(_ graph: Graph, opaque: Set<String>) throws -> TypeInference {
      try TypeInference(
        graph, operators, inputs: fed, opaque: opaque, requiresEveryBranch: false, pool: pool)
    }
    var inference = try inferred(graph, opaque: altered)
    graph = graph.foldingKnown(inference.constants, except: Set(observed))
    for rewrite in rewrites {
      kept = Preparation.unique(kept + rewrite.makes)
      inference = try inferred(graph, opaque: altered)
      graph = try rewrite.apply(
        graph,
        RewriteContext(
          operators: operators, types: inference.types, constants: inference.constants,
          altered: altered.union(needed), trace: trace)
      ).sliced(to: kept, given: given).sorted()
    }

    let canonicalHooks = hooks.filter { $0.view == .canonical }
    if !canonicalHooks.isEmpty {
      inference = try inferred(graph, opaque: altered)
      attachments += try Preparation.attach(canonicalHooks, to: &graph, operators, types: inference.types)
    }
    self.attachments = attachments
    let made = Preparation.unique(wanted + rewrites.flatMap(\.makes))
    let hooked = Preparation.unique(made + observed + Preparation.observed(attachments, graph))
    graph = graph.sliced(to: hooked, given: given)
    let allAltered = Set(attachments.flatMap(\.altered))
    graph = try ConstantFolding(
      pool: pool, keep: Set(Preparation.observed(attachments, graph)), altered: allAltered,
      memory: source.memoryUse()
    ).fold(graph, operators, fed: fed, given: given)
    // Hooked values stay in the graph without leaving a run as outputs.
    let declared = Dictionary(graph.outputs.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    graph.outputs = made.map { declared[$0]! }
    types = WideValues.widening(
      try inferred(graph, opaque: allAltered).types, graph, operators,
      keep: Set(made + Preparation.observed(attachments, graph)).union(fed.keys).union(allAltered))
    self.graph = graph
  }

  /// The same graph with the same constants, for plans that run beside those of another preparation.
  /// - Parameters:
  ///   - pool: the threads of the plans.
  ///   - hook: gives the hook that stands for one of the other's.
  init(
    beside other: Preparation, pool: ThreadPool, hook: (any Hook) throws -> any Hook
  ) rethrows {
    graph = other.graph
    operators = other.operators
    types = other.types
    supplied = other.supplied
    keptWeights = other.keptWeights
    self.pool = pool
    attachments = try other.attachments.map {
      Attachment(
        hook: try hook($0.hook), node: $0.node, values: $0.values, demand: $0.demand)
    }
  }

  /// The values that can be computed from what is fed and that no other such value needs.
  private static func runnableSinks(_ graph: Graph, _ fed: [String: TensorType]) -> [String] {
    var known = Set(fed.keys).union(graph.initializers.keys)
    var used: Set<String> = []
    var names: [String] = []
    for node in graph.nodes {
      let uses = GraphIndex.uses(of: node)
      guard uses.allSatisfy(known.contains) else { continue }
      used.formUnion(uses)
      let outputs = node.outputs.filter { !$0.isEmpty }
      known.formUnion(outputs)
      names += outputs
    }
    return names.filter { !used.contains($0) }
  }

  /// What must be in the graph for hooks to be called: the values they get and, where those are inputs of the
  /// node that no single step makes last, an output of the node itself.
  private static func observed(_ attachments: [Attachment], _ graph: Graph) -> [String] {
    if attachments.isEmpty { return [] }
    let producer = graph.producers
    return attachments.flatMap { attachment -> [String] in
      let makers = Set(attachment.values.map { producer[$0] })
      guard attachment.inputCount == attachment.values.count, makers.count != 1 || makers.contains(nil) else {
        return attachment.values
      }
      let own = attachment.node.outputs.first { !$0.isEmpty && producer[$0] != nil }
      return attachment.values + (own.map { [$0] } ?? [])
    }
  }

  private static func unique(_ names: [String]) -> [String] {
    var seen: Set<String> = []
    return names.filter { seen.insert($0).inserted }
  }

  /// Asks hooks about every node; changes nodes whose forms are demanded.
  private static func attach(
    _ hooks: [any Hook], to graph: inout Graph, _ operators: OperatorSet,
    types: [String: TensorType]
  ) throws -> [Attachment] {
    let context = HookContext(graph: graph, types: types, operators: operators)
    var result: [Attachment] = []
    for position in graph.nodes.indices {
      let selected = graph.nodes[position]
      for hook in hooks {
        guard let demand = try hook.selects(selected, in: context) else { continue }
        var values: [String] = []
        for input in demand.inputs {
          guard input < selected.inputs.count, !selected.inputs[input].isEmpty else {
            throw DataError("hook \(hook.name): \(selected.label) has no input \(input)")
          }
          values.append(selected.inputs[input])
        }
        for output in demand.outputs {
          guard output < selected.outputs.count, !selected.outputs[output].isEmpty else {
            throw DataError("hook \(hook.name): \(selected.label) has no output \(output)")
          }
          values.append(selected.outputs[output])
        }
        for form in demand.forms {
          let name = "\(selected.name)/\(form.rawValue)"
          guard let exposed = operators.exposing(form, of: graph.nodes[position], as: name) else {
            throw DataError("hook \(hook.name): \(selected.label) cannot give its \(form.rawValue)")
          }
          graph.nodes[position] = exposed.node
          values.append(exposed.value)
        }
        result.append(
          Attachment(
            hook: hook, node: selected, values: values, demand: demand))
      }
    }
    return result
  }

  /// Fed types must be of the declared kind.
  private static func checkFed(_ fed: [String: TensorType], _ graph: Graph) throws {
    var symbols: [String: (extent: Int, input: String)] = [:]
    for input in graph.inputs {
      guard let type = fed[input.name], let declared = input.type else { continue }
      guard type.agrees(with: declared) else {
        throw DataError("input '\(input.name)' is \(type), the graph wants \(declared)")
      }
      guard let shape = type.concreteShape, let dims = declared.shape else { continue }
      for (extent, dim) in zip(shape, dims) {
        guard case .symbol(let name) = dim else { continue }
        if let bound = symbols[name], bound.extent != extent {
          throw DataError(
            "inputs '\(bound.input)' and '\(input.name)' disagree about '\(name)': "
              + "\(bound.extent) and \(extent)")
        }
        symbols[name] = (extent, input.name)
      }
    }
  }

  /// Values fed in the place of computed ones or of weights must be of the types that these would have.
  private static func checkReplaced(
    _ fed: [String: TensorType], _ graph: Graph, _ operators: OperatorSet, _ pool: ThreadPool
  ) throws {
    let declared = Set(graph.inputs.map(\.name))
    let replaced = fed.keys.filter { !declared.contains($0) }.sorted()
    guard !replaced.isEmpty else { return }
    // What leads to a replaced value need not fit the other inputs; then nothing is known about its type.
    let own = fed.filter { declared.contains($0.key) }
    guard
      let natural = try? TypeInference(graph, operators, inputs: own, requiresEveryBranch: false, pool: pool)
        .types
    else { return }
    for name in replaced {
      guard let type = natural[name], !type.agrees(with: fed[name]!) else { continue }
      throw DataError("value '\(name)' is \(type), it cannot be replaced by \(fed[name]!)")
    }
  }

  private static func checkComplete(_ graph: Graph, _ given: Set<String>) throws {
    let missing = graph.requiredInputs.filter { !given.contains($0.name) }
    if !missing.isEmpty {
      let listed = missing.map { "'\($0.name)' \($0.type?.description ?? "")" }
      throw DataError("missing input\(missing.count > 1 ? "s" : ""): \(listed.joined(separator: ", "))")
    }
    if let (name, initializer) = graph.initializers.first(where: { $0.value.tensor == nil }) {
      let place = initializer.external.map { " (\($0.path))" } ?? ""
      throw DataError("weights are not bound, the first is '\(name)'\(place): give --weights FOLDER")
    }
  }
}
