/// A function of a graph file: an operator's body. Calls name it by domain, name and overload.
public struct LocalFunction: Sendable, Equatable {
  public let domain: String
  public let name: String
  /// Tells bodies of one operator apart.
  public let overload: String
  public let inputs: [String]
  public let outputs: [String]
  /// Names of the attributes that calls give; the body holds for their values.
  public fileprivate(set) var attributes: [String]
  public let nodes: [Node]
  public let opsets: [String: Int]
}

/// The bodies of a graph's nodes outside the default domain, each once.
public struct FunctionLibrary: Sendable {
  public private(set) var functions: [LocalFunction] = []
  /// By the position of the node in the graph; nodes that are not listed have no body or the only one.
  public private(set) var overloads: [Int: String] = [:]

  /// The oldest opset that bodies can be written in.
  public static let oldestOpset = 13

  public init() {}

  /// - Throws: `DataError` that names the node whose types do not fit or whose body cannot be written.
  public init(_ graph: Graph, _ set: OperatorSet, pool: ThreadPool = ThreadPool(threads: 1)) throws {
    func isOwn(_ node: Node) -> Bool {
      !node.domain.isEmpty && set.type(node.op, domain: node.domain) is any ComposedOperator.Type
    }
    guard
      graph.nodes.contains(where: {
        isOwn($0) || $0.subgraphs.contains { $0.graph.nodes.contains(where: isOwn) }
      })
    else { return }
    guard let opset = graph.opsets[""], opset >= FunctionLibrary.oldestOpset else {
      throw DataError(
        "bodies of functions need opset \(FunctionLibrary.oldestOpset) of the default domain or later")
    }
    let inference = try TypeInference(graph, set, requiresEveryBranch: false, pool: pool)
    for (position, node) in graph.nodes.enumerated() {
      for (name, body) in node.subgraphs where body.nodes.contains(where: isOwn) {
        throw DataError("\(node.label), \(name): operators of domain dsd inside bodies are not written")
      }
      guard isOwn(node), let composed = inference.operators[position] as? any ComposedOperator else {
        continue
      }
      do {
        let types = node.inputs.map { $0.isEmpty ? nil : inference.types[$0] }
        overloads[position] = add(try FunctionBody(node, composed, types, opset: opset))
      } catch let error as DataError {
        throw error.at(node.label)
      }
    }
  }

  /// The overload of the function with this body.
  private mutating func add(_ body: FunctionBody) -> String {
    let attributes = Set(body.node.attributes.keys)
    let same = functions.indices.filter {
      functions[$0].domain == body.node.domain && functions[$0].name == body.node.op
    }
    if let known = same.first(where: { body.isIdentical(to: functions[$0]) }) {
      functions[known].attributes = attributes.union(functions[known].attributes).sorted()
      return functions[known].overload
    }
    // Most operators have one body in a file, which then needs no overload.
    let overload = same.isEmpty ? "" : String(same.count + 1)
    functions.append(
      LocalFunction(
        domain: body.node.domain, name: body.node.op, overload: overload, inputs: body.inputs,
        outputs: body.outputs, attributes: attributes.sorted(), nodes: body.nodes, opsets: body.opsets))
    return overload
  }
}

/// The body for one node, with names of its own.
private struct FunctionBody {
  let node: Node
  private(set) var inputs: [String] = []
  private(set) var outputs: [String] = []
  private(set) var nodes: [Node] = []
  let opsets: [String: Int]

  init(_ node: Node, _ composed: any ComposedOperator, _ types: [TensorType?], opset: Int) throws {
    self.node = node
    opsets = ["": opset]
    let schema = type(of: composed).schema
    let results = try composed.infer(InferenceInputs(types, outputCount: node.outputs.count))
    let g = GraphBuilder()
    inputs = node.inputs.indices.map { g.fresh(schema.input($0)?.name ?? "input") }
    let given = zip(inputs, types).map { name, type -> Value? in
      guard let type else { return nil }
      return type.dtype.isHalf ? FunctionBody.cast(Value(name), .float32, g) : Value(name)
    }
    let call = Composition(
      g, inputs: given,
      types: types.map { $0.map { TensorType($0.dtype.isHalf ? .float32 : $0.dtype, $0.shape) } },
      wanted: node.outputs.map { !$0.isEmpty }, opset: opset)
    let made = try composed.body(call)
    for (position, name) in node.outputs.enumerated() {
      guard !name.isEmpty else {
        // Outputs have positions: one that nobody wants must be made all the same.
        outputs.append(g.scalar(0, "unused").name)
        continue
      }
      guard position < made.count, let value = made[position], position < results.count else {
        throw DataError("its body lacks output \(position)")
      }
      let dtype = results[position].dtype
      // A function's outputs are made by its nodes, each by one of its own.
      outputs.append((dtype.isHalf ? FunctionBody.cast(value, dtype, g) : g.Identity(value)).name)
    }
    nodes = g.graph.initializers.map { name, initializer in
      Node("Constant", inputs: [], outputs: [name], attributes: ["value": .tensor(initializer.tensor!)])
    }
    nodes += g.graph.nodes
  }

  private static func cast(_ value: Value, _ dtype: DType, _ g: GraphBuilder) -> Value {
    g.emit("Cast", [value], ["to": .int(Int(dtype.rawValue))])[0]
  }

  func isIdentical(to function: LocalFunction) -> Bool {
    inputs == function.inputs && outputs == function.outputs && opsets == function.opsets
      && nodes == function.nodes
  }
}

extension Graph {
  /// The graph for programs that know the operators of its opset alone: a newer operator, which recognition may have
  /// made, goes by its name in domain `dsd`, where it has a body.
  public func namingNewer(in set: OperatorSet) -> Graph {
    guard let opset = opsets[""] else { return self }
    var result = self
    for (position, node) in nodes.enumerated() where node.domain.isEmpty {
      guard let type = set.type(node.op) as? any ComposedOperator.Type, type.schema.since > opset else {
        continue
      }
      result.nodes[position].domain = "dsd"
      result.opsets["dsd"] = 1
    }
    return result
  }
}
