import CGraphProto
import CProtobufC
import GraphIR

extension ModelReading {
  /// Appends the node, or the nodes of the function that it calls.
  func append(
    _ proto: Dsd__NodeProto, _ scope: Scope, to nodes: inout [Node], _ namer: inout NodeNamer
  ) throws {
    var node = Node(
      try text(proto.op_type), domain: ModelReading.canonical(domain: try text(proto.domain)),
      inputs: try texts(proto.n_input, proto.input).map(scope.value),
      outputs: try texts(proto.n_output, proto.output).map(scope.value))
    let own = try text(proto.name)
    node.name = namer.name(
      own.isEmpty ? "" : scope.prefix + own, or: node.outputs.first { !$0.isEmpty } ?? scope.prefix + node.op)
    do {
      if node.op.isEmpty { throw DataError("has no operator") }
      node.attributes = try attributes(list(proto.n_attribute, proto.attribute), scope)
      node.metadata = try properties(proto.n_metadata_props, proto.metadata_props)
      // Operators of our own domain are ours to know: bodies stand in a file for other programs.
      let overload = node.domain == "dsd" ? "" : try text(proto.overload)
      let key = FunctionKey(domain: node.domain, name: node.op, overload: overload)
      if node.domain != "dsd", let function = functions[key] {
        return try expand(function.pointee, key, node, scope, to: &nodes, &namer)
      }
      if let body = ContribExpansion.body(of: node) { return try expand(node, body, to: &nodes, &namer) }
      guard overload.isEmpty else { throw DataError("the file defines no overload '\(overload)'") }
      if scope.isFunction {
        try charge(256 + (node.inputs + node.outputs).reduce(node.name.utf8.count) { $0 + $1.utf8.count })
        try require(node.domain, in: scope)
      }
      nodes.append(node)
    } catch let error as DataError {
      throw error.at(node.label)
    }
  }

  /// Keeps expansion from growing a small file without bound.
  func charge(_ bytes: Int) throws {
    allowance -= bytes
    if allowance < 0 { throw DataError("the file's functions expand to far more than its size") }
  }

  /// A node's attributes with references to the caller's replaced; a reference to one that the caller has not
  /// given leaves the attribute out.
  func attributes(
    _ protos: [UnsafeMutablePointer<Dsd__AttributeProto>], _ scope: Scope
  ) throws -> [String: Attribute] {
    var result: [String: Attribute] = [:]
    for proto in protos {
      let name = try text(proto.pointee.name)
      do {
        guard !name.isEmpty else { throw DataError("has no name") }
        let reference = try text(proto.pointee.ref_attr_name)
        let value: Attribute?
        if reference.isEmpty {
          value = try attribute(proto.pointee, scope)
        } else {
          guard scope.isFunction else { throw DataError("refers to '\(reference)' outside a function") }
          value = scope.attributes[reference]
        }
        if let value, result.updateValue(value, forKey: name) != nil { throw DataError("is given twice") }
      } catch let error as DataError {
        throw error.at("attribute '\(name)'")
      }
    }
    return result
  }

  private func attribute(_ proto: Dsd__AttributeProto, _ scope: Scope) throws -> Attribute {
    switch kind(proto) {
    case DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT: return .float(proto.f)
    case DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT: return .int(Int(proto.i))
    case DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING:
      if scope.isFunction { try charge(proto.s.len) }
      return .string(try text(proto.s))
    case DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS:
      if scope.isFunction { try charge(proto.n_floats * 4) }
      return .floats(Array(numbers(proto.n_floats, proto.floats)))
    case DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS:
      if scope.isFunction { try charge(proto.n_ints * 8) }
      return .ints(numbers(proto.n_ints, proto.ints).map { Int($0) })
    case DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS:
      return .strings(
        try numbers(proto.n_strings, proto.strings).map { bytes in
          if scope.isFunction { try charge(bytes.len + 16) }
          return try text(bytes)
        })
    case DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR:
      guard let tensor = proto.t else { throw DataError("has no tensor") }
      return .tensor(try attributeTensor(tensor))
    case DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH:
      guard let body = proto.g?.pointee else { throw DataError("has no graph") }
      var inner = scope
      inner.depth += 1
      return .graph(try graph(body, inner))
    case DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TYPE_PROTO:
      guard let type = proto.tp else { throw DataError("has no type") }
      return .type(try TensorReading.info("", type))
    case let other:
      let names = [
        9: "tensors", 10: "graphs", 11: "sparse_tensor", 12: "sparse_tensors", 14: "types",
      ]
      throw DataError(
        "attributes of kind \(names[Int(other.rawValue)] ?? "\(other.rawValue)") are not supported")
    }
  }

  /// The kind that the attribute states; very old files state none and have one field filled.
  private func kind(_ proto: Dsd__AttributeProto) -> Dsd__AttributeProto__AttributeType {
    if proto.type != DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED { return proto.type }
    if proto.has_f != 0 { return DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT }
    if proto.has_i != 0 { return DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT }
    if proto.has_s != 0 { return DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING }
    if proto.t != nil { return DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR }
    if proto.g != nil { return DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH }
    if proto.n_floats > 0 { return DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS }
    if proto.n_strings > 0 { return DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS }
    return DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS
  }
}
