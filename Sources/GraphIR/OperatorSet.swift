/// The operators that a program can run, by domain and name.
public struct OperatorSet: Sendable {
  private let types: [String: any Operator.Type]
  /// The newest version of ONNX's default domain whose operators are read.
  public let newestOpset: Int
  /// The oldest one.
  public let oldestOpset: Int

  public init(_ types: [any Operator.Type], opsets: ClosedRange<Int>) {
    var table: [String: any Operator.Type] = [:]
    for type in types {
      let key = OperatorSet.key(type.schema.domain, type.schema.name)
      precondition(table[key] == nil, "two operators are called \(key)")
      table[key] = type
    }
    self.types = table
    oldestOpset = opsets.lowerBound
    newestOpset = opsets.upperBound
  }

  /// Every operator, by domain and name.
  public var all: [any Operator.Type] {
    types.sorted { $0.key < $1.key }.map(\.value)
  }

  /// An operator of the default domain that has a body goes by its name in domain `dsd` as well, see
  /// ``Graph/namingNewer(in:)``.
  public func type(_ op: String, domain: String = "") -> (any Operator.Type)? {
    if let own = types[OperatorSet.key(domain, op)] { return own }
    guard domain == "dsd", let type = types[op], type.schema.domain.isEmpty else { return nil }
    return type is any ComposedOperator.Type ? type : nil
  }

  private static func key(_ domain: String, _ op: String) -> String {
    domain.isEmpty || domain == "ai.onnx" ? op : "\(domain).\(op)"
  }

  /// The node's operator with its attributes bound.
  /// - Throws: `DataError` that names the node: unknown operator or attribute, wrong kind, wrong number of
  ///   inputs or outputs.
  public func bind(_ node: Node, opset: Int) throws -> any Operator {
    guard let type = type(node.op, domain: node.domain) else {
      throw DataError("\(node.label): unknown operator")
    }
    let schema = type.schema
    do {
      try check(node, schema, opset)
      var values = schema.attributes.compactMapValues(\.attribute)
      values.merge(node.attributes) { $1 }
      return try type.init(
        Attributes(
          values, opset: opset, inputCount: node.inputs.count, outputCount: node.outputs.count,
          precision: try node.productPrecision(), metadata: node.metadata))
    } catch let error as DataError {
      throw error.at(node.label)
    }
  }

  private func check(_ node: Node, _ schema: Schema, _ opset: Int) throws {
    for (name, value) in node.attributes.sorted(by: { $0.key < $1.key }) {
      guard let known = schema.attributes[name] else { throw DataError("unknown attribute '\(name)'") }
      // An empty list carries no kind in some writers' files.
      if case .ints(let list) = value, list.isEmpty { continue }
      if let kind = known.attribute?.kind, kind != value.kind {
        throw DataError("attribute '\(name)' is of kind \(value.kind), not \(kind)")
      }
    }
    let variadic = schema.inputs.last?.isVariadic ?? false
    guard variadic || node.inputs.count <= schema.inputs.count else {
      throw DataError("has \(node.inputs.count) inputs, at most \(schema.inputs.count) are allowed")
    }
    for (position, parameter) in schema.inputs.enumerated()
    where !parameter.isVariadic && (!parameter.isOptional || opset >= parameter.requiredSince ?? .max) {
      guard position < node.inputs.count, !node.inputs[position].isEmpty else {
        throw DataError("input '\(parameter.name)' is missing")
      }
    }
    if variadic, let last = schema.inputs.last, !last.isOptional || opset >= last.requiredSince ?? .max,
      node.inputs.dropFirst(schema.inputs.count - 1).contains("")
    {
      throw DataError("an input of '\(last.name)' is missing")
    }
    guard !node.outputs.isEmpty else { throw DataError("has no outputs") }
    let variadicOutputs = schema.outputs.last?.isVariadic ?? false
    guard variadicOutputs || node.outputs.count <= schema.outputs.count else {
      throw DataError("has \(node.outputs.count) outputs, at most \(schema.outputs.count) are allowed")
    }
  }

  /// Checks the element types of a node's inputs against its operator's schema.
  /// - Throws: `DataError` without the node's name.
  public func checkTypes(_ schema: Schema, _ inputs: [TensorType?]) throws {
    var bound: [String: DType] = [:]
    for (position, type) in inputs.enumerated() {
      guard let type, let parameter = schema.input(position) else { continue }
      if let rank = type.rank, let wanted = parameter.rank, rank != wanted {
        throw DataError("input '\(parameter.name)' has rank \(rank), it must have \(wanted)")
      }
      guard let variable = parameter.type else { continue }
      if let allowed = schema.types[variable], !allowed.contains(type.dtype) {
        throw DataError("input '\(parameter.name)' cannot be \(type.dtype)")
      }
      if let other = bound[variable], other != type.dtype {
        throw DataError("inputs are \(other) and \(type.dtype), they must have one type")
      }
      // A variadic parameter whose variable allows mixing is declared without a variable.
      bound[variable] = type.dtype
    }
  }
}

extension Operator {
  /// Runs the operator, widening 16-bit floats to float32 around operators that do not handle them.
  public func runWidened(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    let touchesHalf =
      inputs.contains { $0?.dtype.isHalf ?? false } || outputs.contains { $0?.dtype.isHalf ?? false }
    guard touchesHalf, !Self.runsHalf else { return try run(inputs, into: outputs, context) }
    let wideInputs = inputs.map { $0.map { $0.dtype.isHalf ? $0.converted(to: .float32) : $0 } }
    let wideOutputs = outputs.map { $0.map { $0.dtype.isHalf ? Tensor(.float32, $0.shape) : $0 } }
    try run(wideInputs, into: wideOutputs, context)
    for (wide, narrow) in zip(wideOutputs, outputs) {
      guard let wide, let narrow, narrow.dtype.isHalf else { continue }
      narrow.assign(wide.converted(to: narrow.dtype))
    }
  }
}

extension Tensor {
  /// Copies the bytes of a tensor of the same type and number of elements over this one's.
  public func assign(_ other: Tensor) {
    precondition(dtype == other.dtype && count == other.count)
    if pointer != other.pointer { pointer.copyMemory(from: other.pointer, byteCount: byteCount) }
  }
}
