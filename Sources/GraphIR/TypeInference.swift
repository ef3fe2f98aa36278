/// Types of every value of a graph, and the values that are known before it runs.
public struct TypeInference: Sendable {
  public private(set) var types: [String: TensorType] = [:]
  /// Types of values that are no plain tensors, where they are known.
  public private(set) var containers: [String: ContainerType] = [:]
  /// Values known from constants and shapes. Only small ones are evaluated, those that shapes depend on.
  public private(set) var constants: [String: Tensor] = [:]
  /// The bound operators, in the order of the graph's nodes.
  public private(set) var operators: [any Operator] = []
  private let requiresEveryBranch: Bool

  /// Values above this many bytes are not evaluated during inference.
  public static let foldLimit = 64 * 1024
  /// Bytes that may still be evaluated, all values of a graph together.
  private var allowance = 64 << 20

  /// Infers types through a graph in topological order.
  /// - Parameters:
  ///   - inputs: concrete types of fed values, which take the place of declared ones.
  ///   - opaque: values that may turn out other than the graph makes them; they count as not known.
  ///   - requiresEveryBranch: whether a branch that does not fit is an error although another one may be taken. With
  ///     concrete inputs it is none: a graph may choose its branch by what fits.
  ///   - pool: runs the small constant nodes.
  /// - Throws: `DataError` that names the node whose inputs do not fit, with their types.
  public init(
    _ graph: Graph, _ set: OperatorSet, inputs: [String: TensorType] = [:],
    opaque: Set<String> = [], requiresEveryBranch: Bool = true, pool: ThreadPool
  ) throws {
    self.requiresEveryBranch = requiresEveryBranch
    for (name, initializer) in graph.initializers {
      types[name] = initializer.type
      if initializer.type.isTooLarge {
        throw DataError("initializer '\(name)' \(initializer.type) is too large")
      }
      if let tensor = initializer.tensor, tensor.byteCount <= TypeInference.foldLimit,
        !opaque.contains(name)
      {
        constants[name] = tensor
      }
    }
    for input in graph.inputs {
      // A fed value replaces an initializer of the same name, which is only its default.
      if let given = inputs[input.name] {
        types[input.name] = given
        constants[input.name] = nil
      } else if types[input.name] == nil {
        types[input.name] = input.type
        containers[input.name] = input.container
      }
    }
    for (name, type) in inputs { types[name] = type }
    operators.reserveCapacity(graph.nodes.count)
    for node in graph.nodes {
      let opset = graph.opset(of: node.domain) ?? 1
      let bound = try set.bind(node, opset: opset)
      operators.append(bound)
      try infer(node, bound, graph, set, pool)
      if !opaque.isEmpty { for name in node.outputs where opaque.contains(name) { constants[name] = nil } }
    }
  }

  private mutating func infer(
    _ node: Node, _ bound: any Operator, _ graph: Graph, _ set: OperatorSet, _ pool: ThreadPool
  ) throws {
    let inputTypes = node.inputs.map { $0.isEmpty ? nil : types[$0] }
    let flow = bound as? any ValueOperator
    // A value whose type is not known (an undeclared input, a sequence) leaves everything after it unknown, but for
    // operators on values, which may well do without it.
    if flow == nil, zip(node.inputs, inputTypes).contains(where: { !$0.isEmpty && $1 == nil }) { return }
    let inputs = InferenceInputs(
      inputTypes, constants: node.inputs.map { $0.isEmpty ? nil : constants[$0] },
      containers: node.inputs.map { containers[$0] }, outputCount: node.outputs.count)
    func record(_ inferred: [TensorType?]) throws {
      for (name, type) in zip(node.outputs, inferred) where !name.isEmpty {
        if let type, type.isTooLarge { throw DataError("output \(type) is too large") }
        types[name] = type
      }
    }
    do {
      try set.checkTypes(type(of: bound).schema, inputTypes)
      if let flow {
        var failure: DataError?
        try record(
          flow.infer(inputs) { attribute, given in
            do { return try bodyTypes(node, attribute, given, graph, set, pool) } catch let error as DataError
            {
              failure = failure ?? error.at(attribute)
              throw error.at(attribute)
            }
          })
        if let failure, requiresEveryBranch { throw failure }
        for (name, container) in zip(node.outputs, flow.containers(inputs)) where !name.isEmpty {
          containers[name] = container
        }
      } else {
        let inferred = try bound.infer(inputs)
        try record(inferred)
        try fold(node, bound, inputs, inferred, pool)
      }
    } catch let error as DataError {
      let shown = inputTypes.map { $0?.description ?? "–" }.joined(separator: ", ")
      throw DataError("\(node.label) with inputs (\(shown)): \(error.message)")
    }
  }

  /// The types of the outputs of a node's body for types of its inputs; the values of this graph are known to it.
  private func bodyTypes(
    _ node: Node, _ attribute: String, _ given: [TensorType?], _ graph: Graph, _ set: OperatorSet,
    _ pool: ThreadPool
  ) throws -> [TensorType?] {
    guard case .graph(var body)? = node.attributes[attribute] else {
      throw DataError("attribute '\(attribute)' is missing")
    }
    body.opsets = graph.opsets
    var known: [String: TensorType] = [:]
    for (input, type) in zip(body.inputs, given) {
      known[input.name] = type
      guard let type, let declared = input.type else { continue }
      guard type.dtype == declared.dtype,
        type.rank == nil || declared.rank == nil || type.rank == declared.rank
      else {
        throw DataError("\(attribute) declares its input '\(input.name)' as \(declared), it gets \(type)")
      }
    }
    for name in body.capturedNames {
      known[name] = types[name]
      if let value = constants[name] { body.initializers[name] = Initializer(value) }
    }
    let inner = try TypeInference(
      body, set, inputs: known, requiresEveryBranch: requiresEveryBranch, pool: pool)
    return body.outputs.map { inner.types[$0.name] }
  }

  private mutating func fold(
    _ node: Node, _ bound: any Operator, _ inputs: InferenceInputs, _ inferred: [TensorType],
    _ pool: ThreadPool
  ) throws {
    if let known = bound.knownOutputs(inputs) {
      for (name, tensor) in zip(node.outputs, known) where !name.isEmpty { constants[name] = tensor }
      return
    }
    guard node.subgraphs.isEmpty else { return }
    for (position, name) in node.inputs.enumerated() where !name.isEmpty {
      if inputs.constant(position) == nil { return }
    }
    var outputs: [Tensor?] = []
    for (name, type) in zip(node.outputs, inferred) {
      guard let bytes = type.byteCount, bytes <= min(TypeInference.foldLimit, allowance),
        let shape = type.concreteShape
      else { return }
      allowance -= bytes
      outputs.append(name.isEmpty ? nil : Tensor(type.dtype, shape))
    }
    if bound.aliasing == .view, let source = inputs.constant(0), let shape = inferred[0].concreteShape {
      if !node.outputs[0].isEmpty { constants[node.outputs[0]] = source.reshaped(shape) }
      return
    }
    let scratch = Storage(byteCount: bound.workspace(inputs.types, threads: pool.threadCount))
    // The context holds the memory by its address alone.
    try withExtendedLifetime(scratch) {
      try bound.runWidened(
        inputs.constants, into: outputs,
        RunContext(pool: pool, workspace: .init(start: scratch.base, count: scratch.byteCount)))
    }
    for (name, tensor) in zip(node.outputs, outputs) where !name.isEmpty { constants[name] = tensor }
  }
}
