/// What an operator finds when it states its gradient: its values, their types, what is known of their gradients,
/// and the graph that grows.
public final class GradientContext {
  /// Where nodes are emitted. Gradients come after all nodes of the graph, in reverse order.
  public let graph: GraphBuilder
  public let node: Node
  private let types: [String: TensorType]
  private let constants: [String: Tensor]
  private let outputGradients: [Value?]
  private let wanted: Set<Int>
  private let expose: (ValueForm) throws -> Value

  /// - Parameters:
  ///   - outputGradients: ∂L/∂output for each of the node's outputs; nil where it is zero.
  ///   - wanted: positions of inputs whose gradient something needs.
  ///   - expose: changes the node so that it also yields a form, and gives that value.
  public init(
    _ graph: GraphBuilder, _ node: Node, types: [String: TensorType], constants: [String: Tensor],
    outputGradients: [Value?], wanted: Set<Int>, expose: @escaping (ValueForm) throws -> Value
  ) {
    self.graph = graph
    self.node = node
    self.types = types
    self.constants = constants
    self.outputGradients = outputGradients
    self.wanted = wanted
    self.expose = expose
  }

  /// ∂L/∂output; nil where it is zero.
  public func outputGradient(_ position: Int) -> Value? {
    position < outputGradients.count ? outputGradients[position] : nil
  }

  /// ∂L/∂output of the first output.
  /// - Throws: `DataError` when it is zero: only another output leads to L.
  public func gradient() throws -> Value {
    guard let value = outputGradient(0) else {
      throw DataError("has no gradient through its further outputs")
    }
    return value
  }

  /// Whether the gradient of an input is needed.
  public func wants(_ position: Int) -> Bool { wanted.contains(position) }

  public func has(_ position: Int) -> Bool { position < node.inputs.count && !node.inputs[position].isEmpty }

  /// An input that is there.
  public func input(_ position: Int) -> Value { Value(node.inputs[position]) }

  /// The input, or nil when it is left out.
  public func optional(_ position: Int) -> Value? { has(position) ? input(position) : nil }

  /// An output that the node names.
  /// - Throws: `DataError` where it does not.
  public func output(_ position: Int = 0) throws -> Value {
    guard position < node.outputs.count, !node.outputs[position].isEmpty else {
      throw DataError("its gradient needs output \(position), which the node does not name")
    }
    return Value(node.outputs[position])
  }

  /// A derived quantity of the node, which from then on it yields as well.
  public func form(_ form: ValueForm) throws -> Value { try expose(form) }

  // MARK: Types

  public func dtype(_ position: Int = 0) throws -> DType { try type(node.inputs, position).dtype }

  /// The extents of an input.
  /// - Throws: `DataError` unless all are known: gradients are stated for concrete shapes.
  public func shape(_ position: Int) throws -> [Int] { try concrete(node.inputs, position, "input") }

  public func outputShape(_ position: Int = 0) throws -> [Int] {
    try concrete(node.outputs, position, "output")
  }

  private func type(_ names: [String], _ position: Int) throws -> TensorType {
    guard position < names.count, let type = types[names[position]] else {
      throw DataError("the type of '\(position < names.count ? names[position] : "")' is not known")
    }
    return type
  }

  private func concrete(_ names: [String], _ position: Int, _ kind: String) throws -> [Int] {
    let type = try type(names, position)
    guard let shape = type.concreteShape else {
      throw DataError("\(kind) \(position) is \(type): a gradient needs concrete extents")
    }
    return shape
  }

  /// An input that is known before the graph runs; nil when it is left out.
  /// - Throws: `DataError` when it is not known.
  public func constant(_ position: Int) throws -> Tensor? {
    guard has(position) else { return nil }
    guard let tensor = constants[node.inputs[position]] else {
      throw DataError("has no gradient while input \(position) is not a constant")
    }
    return tensor
  }

  /// The integers of an input that is known before the graph runs.
  public func ints(_ position: Int) throws -> [Int]? {
    try constant(position)?.converted(to: .int64).array(of: Int64.self).map { Int($0) }
  }

  /// - Throws: `DataError` when the graph's operator set is older than a gradient needs.
  public func requireOpset(_ version: Int) throws {
    let opset = graph.graph.opset(of: "") ?? 1
    guard opset >= version else {
      throw DataError("its gradient needs opset \(version) or later, the graph has \(opset)")
    }
  }

  // MARK: Building blocks

  /// A number of the gradients' element type.
  public func number(_ value: Double) throws -> Value {
    graph.constant(Tensor(scalar: value).converted(to: try dtype()), "number")
  }

  public func reshape(_ value: Value, _ shape: [Int]) -> Value {
    graph.Reshape(
      value, graph.ints(shape.map { $0 }), attributes: shape.contains(0) ? ["allowzero": .int(1)] : [:])
  }

  /// The sum along axes.
  public func sum(_ value: Value, _ axes: [Int], keepsDims: Bool = true) -> Value {
    if axes.isEmpty { return value }
    return graph.ReduceSum(
      value, graph.ints(axes, "axes"), attributes: ["keepdims": .int(keepsDims ? 1 : 0)])
  }

  /// The gradient of a tensor of shape `target` that was broadcast to `shape`: the sum over its copies.
  public func sum(_ value: Value, from shape: [Int], to target: [Int]) -> Value {
    if shape == target { return value }
    let added = shape.count - target.count
    let axes = shape.indices.filter { $0 < added || target[$0 - added] == 1 && shape[$0] != 1 }
    let summed = sum(value, axes)
    return added == 0 ? summed : reshape(summed, target)
  }

  /// The gradient of input `position`, which the node broadcast to the shape of its first output.
  public func sum(_ value: Value, to position: Int) throws -> Value {
    sum(value, from: try outputShape(), to: try shape(position))
  }

  /// A value of the node's output, with the shape that it would have with reduced axes kept, spread over them.
  public func spread(_ value: Value, _ shape: [Int]) -> Value {
    graph.Expand(value, graph.ints(shape))
  }

  public func zeros(_ shape: [Int]) throws -> Value { spread(try number(0), shape) }

  /// `value` where the condition holds, else 0.
  public func masked(_ value: Value, where condition: Value) throws -> Value {
    graph.Where(condition, value, try number(0))
  }

  /// 1 where the condition holds, else 0.
  public func indicator(_ condition: Value) throws -> Value {
    graph.Cast(condition, attributes: ["to": .int(Int(try dtype().rawValue))])
  }

  public func transpose(_ value: Value, _ order: [Int]) -> Value {
    order == Array(order.indices) ? value : graph.Transpose(value, attributes: ["perm": .ints(order)])
  }
}
