/// A handle on a named value, as a builder gives it out.
public struct Value: Hashable, Sendable {
  public let name: String
  public init(_ name: String) { self.name = name }
}

/// Writes nodes into a graph, with fresh names and scopes.
///
/// ```swift
/// let g = GraphBuilder()
/// let x = g.input("x", .float32, ["batch", 4])
/// let y = g.scope("mlp") { g.Sigmoid(g.MatMul(x, w)) }
/// g.output(y, as: "y")
/// ```
///
/// `g.Name(…)` emits operator `Name` of the default domain and gives its first output; `emit` is the general
/// form. Nodes and values are called `scope/Name`, `scope/Name_1`, …; a node's first
/// output has the node's name.
@dynamicMemberLookup
public final class GraphBuilder {
  public private(set) var graph: Graph
  private var scopes: [String] = []
  private let used: TakenNames

  /// A builder that appends to `graph`. With `names`, which several builders may share, fresh names differ from
  /// all of those too.
  public init(_ graph: Graph = Graph(), names: TakenNames? = nil) {
    self.graph = graph
    used = names ?? TakenNames()
    used.formUnion(graph.allNames)
  }

  /// Names made inside `body` start with `name/` (after the scopes around it).
  public func scope<T>(_ name: String, _ body: () throws -> T) rethrows -> T {
    scopes.append(name)
    defer { scopes.removeLast() }
    return try body()
  }

  /// The name in the current scope.
  public func scoped(_ name: String) -> String { (scopes + [name]).joined(separator: "/") }

  /// A name that nothing has yet, made from `base` in the current scope.
  public func fresh(_ base: String) -> String {
    let full = scoped(base)
    if used.insert(full) { return full }
    var number = 1
    while !used.insert("\(full)_\(number)") { number += 1 }
    return "\(full)_\(number)"
  }

  /// A graph input. Inputs carry no scope.
  @discardableResult
  public func input(_ name: String, _ dtype: DType, _ shape: [Dim]) -> Value {
    precondition(used.insert(name), "the value \(name) exists already")
    graph.inputs.append(ValueInfo(name, TensorType(dtype, shape)))
    return Value(name)
  }

  /// A graph output; the value is renamed to `name` by an Identity when it is called something else.
  public func output(_ value: Value, as name: String, _ type: TensorType?) {
    if value.name != name {
      used.insert(name)
      graph.nodes.append(Node("Identity", name: name, inputs: [value.name], outputs: [name]))
    }
    graph.outputs.append(ValueInfo(name, type))
  }

  /// An initializer whose bytes are elsewhere. The same name twice is the same value.
  @discardableResult
  public func weight(_ name: String, _ initializer: Initializer) -> Value {
    let full = scoped(name)
    if graph.initializers[full] == nil {
      used.insert(full)
      graph.initializers[full] = initializer
    }
    return Value(full)
  }

  /// A constant kept in the graph file.
  public func constant(_ tensor: Tensor, _ name: String = "constant") -> Value {
    let full = fresh(name)
    graph.initializers[full] = Initializer(tensor)
    return Value(full)
  }

  /// A rank-0 float32 constant.
  public func scalar(_ value: Float, _ name: String = "scalar") -> Value {
    constant(Tensor(scalar: value), name)
  }

  /// A 1-D int64 constant: shapes, axes, starts.
  public func ints(_ values: [Int], _ name: String = "shape") -> Value {
    constant(Tensor(values.map { Int64($0) }, shape: [values.count]), name)
  }

  /// Appends a node and gives its outputs.
  @discardableResult
  public func emit(
    _ op: String, domain: String = "", _ inputs: [Value?], _ attributes: [String: Attribute] = [:],
    outputs: Int = 1, name: String? = nil, metadata: [String: String] = [:]
  ) -> [Value] {
    let nodeName = fresh(name ?? op)
    var results = [Value(nodeName)]
    for position in 1..<max(outputs, 1) { results.append(Value(fresh("\(name ?? op)_out\(position)"))) }
    graph.nodes.append(
      Node(
        op, domain: domain, name: nodeName, inputs: inputs.map { $0?.name ?? "" },
        outputs: results.map(\.name), attributes: attributes, metadata: metadata))
    return results
  }

  /// Appends a finished node as it is.
  public func append(_ node: Node) {
    used.formUnion(node.outputs)
    used.insert(node.name)
    graph.nodes.append(node)
  }

  /// Notes or changes a property of the graph that has nothing to do with its nodes.
  public func edit(_ body: (inout Graph) -> Void) { body(&graph) }

  /// The operator `op`, to be called with its inputs.
  public subscript(dynamicMember op: String) -> Emitter { Emitter(builder: self, op: op) }

  /// An operator's name bound to a builder.
  public struct Emitter {
    let builder: GraphBuilder
    let op: String

    /// Emits the node and gives its first output.
    public func callAsFunction(
      _ inputs: Value?..., attributes: [String: Attribute] = [:], name: String? = nil
    ) -> Value {
      builder.emit(op, inputs, attributes, name: name)[0]
    }

    /// The same without a name of its own: Swift takes nothing unlabelled right after the inputs.
    public func callAsFunction(_ inputs: Value?..., attributes: [String: Attribute]) -> Value {
      builder.emit(op, inputs, attributes)[0]
    }
  }
}

/// Names that are no longer free.
public final class TakenNames {
  private var names: Set<String> = []

  public init(_ names: Set<String> = []) { self.names = names }

  /// Takes a name. False when it was taken already.
  @discardableResult
  func insert(_ name: String) -> Bool { names.insert(name).inserted }

  func formUnion(_ more: some Sequence<String>) { names.formUnion(more) }
}

extension Graph {
  /// Every name of a node or value.
  public var allNames: Set<String> {
    var names = Set(inputs.map(\.name))
    names.formUnion(initializers.keys)
    for node in nodes {
      names.insert(node.name)
      names.formUnion(node.outputs)
    }
    return names
  }
}
