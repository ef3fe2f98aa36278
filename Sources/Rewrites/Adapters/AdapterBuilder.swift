import GraphIR

/// Writes an adapter's nodes and learned tensors into a graph.
final class AdapterBuilder {
  let g: GraphBuilder
  /// Types of the values of the graph as it was.
  let types: [String: TensorType]
  private let kind: String
  private let values: (LearnedTensor) throws -> Tensor
  private let prefix: String
  private var learned: [LearnedTensor] = []

  init(
    _ graph: Graph, _ operators: OperatorSet, kind: String, values: @escaping (LearnedTensor) throws -> Tensor
  ) throws {
    // Nodes of a file need not stand in order.
    let graph = try graph.sorted()
    types = try TypeInference(graph, operators, pool: ThreadPool(threads: 1)).types
    g = GraphBuilder(graph)
    self.kind = kind
    self.values = values
    prefix = AdapterBuilder.freePrefix(graph)
  }

  /// `adapter`, or `adapter_2` and on where the graph has been adapted before.
  private static func freePrefix(_ graph: Graph) -> String {
    let taken = Set(graph.initializers.keys.compactMap { $0.split(separator: "/").first.map(String.init) })
    guard taken.contains("adapter") else { return "adapter" }
    return (2...).lazy.map { "adapter_\($0)" }.first { !taken.contains($0) }!
  }

  /// What `body` makes is named after the adapter and `scope`.
  func scope<T>(_ scope: String, _ body: () throws -> T) rethrows -> T {
    try g.scope("\(prefix)/\(scope)", body)
  }

  /// A learned tensor of the current scope as a value of type `dtype`.
  func learn(
    _ name: String, key: String, _ shape: [Int], _ start: LearnedTensor.Start, as dtype: DType
  ) throws -> Value {
    let tensor = LearnedTensor(name: g.scoped(name), key: key, shape: shape, start: start)
    let value = try values(tensor)
    guard value.dtype == .float32, value.shape == shape else {
      throw DataError(
        "'\(key)' is \(value.dtype)\(Shape.text(value.shape)), the graph wants float32\(Shape.text(shape))")
    }
    learned.append(tensor)
    let learned = g.weight(name, Initializer(value))
    return dtype == .float32 ? learned : g.Cast(learned, attributes: ["to": .int(Int(dtype.rawValue))])
  }

  /// Puts nodes behind a computed value: what it was goes by a new name, and what `body` makes of it takes the
  /// old one, so that all uses, outputs included, see the change.
  func change(_ value: String, _ body: (_ old: Value) throws -> Value) rethrows {
    let old = g.fresh("unadapted")
    g.edit { graph in
      for position in graph.nodes.indices {
        graph.nodes[position].outputs = graph.nodes[position].outputs.map { $0 == value ? old : $0 }
      }
    }
    let new = try body(Value(old))
    g.edit { [kind] graph in
      let last = graph.nodes.lastIndex { $0.outputs.first == new.name }!
      graph.nodes[last].outputs[0] = value
      graph.nodes[last].metadata[AdapterBuilder.mark] = kind
    }
  }

  /// Marks the node that changed a value; its first input leads on to what the value was.
  static let mark = "dsd.adapter"

  func finished(_ adapter: any Adapter) throws -> AdaptedGraph {
    AdaptedGraph(graph: try g.graph.sorted(), adapter: adapter, learned: learned)
  }
}
