import GraphIR

/// A node of ONNX Runtime's domain `com.microsoft` on its way to nodes of the default domain and our own.
///
/// Where a form of an operator depends on the opset that a graph imports, our own domain's operator stands
/// for the newest form.
struct ContribCall {
  let node: Node
  let g: GraphBuilder

  /// An input, or nil when it is absent.
  func optional(_ position: Int) -> Value? {
    guard position < node.inputs.count, !node.inputs[position].isEmpty else { return nil }
    return Value(node.inputs[position])
  }

  /// - Throws: `DataError` when the input is absent.
  func input(_ position: Int) throws -> Value {
    guard let value = optional(position) else { throw DataError("input \(position) is missing") }
    return value
  }

  /// Whether an output is wanted.
  func wants(_ position: Int) -> Bool { position < node.outputs.count && !node.outputs[position].isEmpty }

  /// - Throws: `DataError` when the node has more inputs or outputs than are understood.
  func require(inputs: Int, outputs: Int = 1) throws {
    if let extra = (inputs..<max(inputs, node.inputs.count)).first(where: { optional($0) != nil }) {
      throw DataError("input \(extra) is not supported")
    }
    if let extra = (outputs..<max(outputs, node.outputs.count)).first(where: wants) {
      throw DataError("output \(extra) is not supported")
    }
  }

  func int(_ name: String) throws -> Int? {
    guard let attribute = node.attributes[name] else { return nil }
    guard case .int(let value) = attribute else {
      throw DataError("attribute '\(name)' is \(attribute.kind)")
    }
    return value
  }

  func flag(_ name: String, default value: Bool = false) throws -> Bool {
    try int(name).map { $0 != 0 } ?? value
  }

  func float(_ name: String) throws -> Float? {
    guard let attribute = node.attributes[name] else { return nil }
    guard case .float(let value) = attribute else {
      throw DataError("attribute '\(name)' is \(attribute.kind)")
    }
    return value
  }

  /// The node's attributes of these names, with their values as they are.
  func attributes(_ names: String...) -> [String: Attribute] {
    node.attributes.filter { names.contains($0.key) }
  }

  /// A number in the element type of another value.
  func number(_ value: Float, like other: Value) -> Value { g.CastLike(g.scalar(value), other) }

  /// The sum of those values that are there.
  func sum(_ values: Value?...) throws -> Value {
    let present = values.compactMap { $0 }
    guard let first = present.first else { throw DataError("input 0 is missing") }
    return present.dropFirst().reduce(first) { g.Add($0, $1) }
  }

  func transpose(_ x: Value, _ perm: [Int]) -> Value { g.Transpose(x, attributes: ["perm": .ints(perm)]) }

  /// The elements of a 1-D integer value in `range`; an end of nil is its end.
  func slice(_ x: Value, _ start: Int, _ end: Int?) -> Value {
    g.Slice(x, g.ints([start]), g.ints([end ?? Int(Int32.max)]), g.ints([0]))
  }

  func concat(_ parts: [Value]) -> Value { g.emit("Concat", parts, ["axis": .int(0)])[0] }
}
