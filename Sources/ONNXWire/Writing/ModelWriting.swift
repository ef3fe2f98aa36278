import CGraphProto
import CProtobufC
import GraphIR

/// Turns a graph into C messages that point at its tensors' bytes.
struct ModelWriting {
  let arena = MessageArena()

  /// - Throws: `DataError` that names what cannot be written.
  func model(
    _ graph: Graph, _ library: FunctionLibrary
  ) throws -> UnsafeMutablePointer<Dsd__ModelProto> {
    var opsets = graph.opsets
    if opsets["dsd"] == nil, uses(graph, domain: "dsd") { opsets["dsd"] = 1 }
    return try arena.message(dsd__model_proto__init) { model in
      model.has_ir_version = 1
      model.ir_version = Int64(graph.irVersion)
      model.producer_name = try arena.string(graph.producer)
      model.graph = try self.graph(graph, library.overloads)
      (model.n_opset_import, model.opset_import) = arena.list(try imports(opsets))
      (model.n_functions, model.functions) = arena.list(try library.functions.map(function))
      (model.n_metadata_props, model.metadata_props) = try arena.properties(graph.metadata)
    }
  }

  private func imports(
    _ opsets: [String: Int]
  ) throws -> [UnsafeMutablePointer<Dsd__OperatorSetIdProto>] {
    try opsets.sorted { $0.key < $1.key }.map { domain, version in
      try arena.message(dsd__operator_set_id_proto__init) { entry in
        entry.domain = try arena.string(domain)
        entry.has_version = 1
        entry.version = Int64(version)
      }
    }
  }

  private func function(_ function: LocalFunction) throws -> UnsafeMutablePointer<Dsd__FunctionProto> {
    try arena.message(dsd__function_proto__init) { proto in
      proto.name = try arena.string(function.name)
      proto.domain = try arena.string(function.domain)
      if !function.overload.isEmpty { proto.overload = try arena.string(function.overload) }
      (proto.n_input, proto.input) = try arena.strings(function.inputs)
      (proto.n_output, proto.output) = try arena.strings(function.outputs)
      (proto.n_attribute, proto.attribute) = try arena.strings(function.attributes)
      (proto.n_node, proto.node) = arena.list(try function.nodes.map { try node($0) })
      (proto.n_opset_import, proto.opset_import) = arena.list(try imports(function.opsets))
    }
  }

  private func uses(_ graph: Graph, domain: String) -> Bool {
    graph.nodes.contains { node in
      node.domain == domain || node.subgraphs.contains { uses($0.graph, domain: domain) }
    }
  }

  /// - Parameter overloads: of the functions that nodes call, by the nodes' positions.
  private func graph(
    _ graph: Graph, _ overloads: [Int: String] = [:]
  ) throws -> UnsafeMutablePointer<Dsd__GraphProto> {
    try arena.message(dsd__graph_proto__init) { proto in
      proto.name = try arena.string(graph.name)
      (proto.n_input, proto.input) = arena.list(try graph.inputs.map(info))
      (proto.n_output, proto.output) = arena.list(try graph.outputs.map(info))
      let types = graph.valueTypes.sorted { $0.key < $1.key }
      (proto.n_value_info, proto.value_info) = arena.list(
        try types.map { try info(ValueInfo($0.key, $0.value)) })
      (proto.n_initializer, proto.initializer) = arena.list(try graph.initializers.map(initializer))
      (proto.n_node, proto.node) = arena.list(
        try graph.nodes.enumerated().map { try node($1, overload: overloads[$0] ?? "") })
    }
  }

  private func node(
    _ node: Node, overload: String = ""
  ) throws -> UnsafeMutablePointer<Dsd__NodeProto> {
    do {
      return try arena.message(dsd__node_proto__init) { proto in
        if !node.name.isEmpty { proto.name = try arena.string(node.name) }
        if !node.domain.isEmpty { proto.domain = try arena.string(node.domain) }
        proto.op_type = try arena.string(node.op)
        if !overload.isEmpty { proto.overload = try arena.string(overload) }
        (proto.n_input, proto.input) = try arena.strings(node.inputs)
        (proto.n_output, proto.output) = try arena.strings(node.outputs)
        let attributes = node.attributes.sorted { $0.key < $1.key }
        (proto.n_attribute, proto.attribute) = arena.list(
          try attributes.map { try attribute($0.key, $0.value) })
        (proto.n_metadata_props, proto.metadata_props) = try arena.properties(node.metadata)
      }
    } catch let error as DataError {
      throw error.at(node.label)
    }
  }

  private func attribute(
    _ name: String, _ attribute: Attribute
  ) throws -> UnsafeMutablePointer<Dsd__AttributeProto> {
    try arena.message(dsd__attribute_proto__init) { proto in
      proto.name = try arena.string(name)
      proto.has_type = 1
      switch attribute {
      case .int(let value):
        proto.type = DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT
        (proto.has_i, proto.i) = (1, Int64(value))
      case .float(let value):
        proto.type = DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT
        (proto.has_f, proto.f) = (1, value)
      case .string(let value):
        proto.type = DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING
        (proto.has_s, proto.s) = (1, arena.bytes(value))
      case .ints(let values):
        proto.type = DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS
        (proto.n_ints, proto.ints) = arena.values(values.map { Int64($0) })
      case .floats(let values):
        proto.type = DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS
        (proto.n_floats, proto.floats) = arena.values(values)
      case .strings(let values):
        proto.type = DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS
        (proto.n_strings, proto.strings) = arena.values(values.map(arena.bytes))
      case .tensor(let tensor):
        proto.type = DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR
        proto.t = try initializer("", Initializer(tensor))
      case .graph(let body):
        proto.type = DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH
        proto.g = try graph(body)
      case .type(let info):
        proto.type = DSD__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TYPE_PROTO
        proto.tp = try type(info)
      }
    }
  }

  private func initializer(
    _ name: String, _ initializer: Initializer
  ) throws -> UnsafeMutablePointer<Dsd__TensorProto> {
    try arena.message(dsd__tensor_proto__init) { proto in
      if !name.isEmpty { proto.name = try arena.string(name) }
      (proto.n_dims, proto.dims) = arena.values(initializer.shape.map { Int64($0) })
      (proto.has_data_type, proto.data_type) = (1, initializer.dtype.rawValue)
      if let external = initializer.external {
        guard FolderBoundary.isInside(external.path) else {
          throw DataError("initializer '\(name)': '\(external.path)' is not a path inside the graph's folder")
        }
        proto.has_data_location = 1
        proto.data_location = DSD__TENSOR_PROTO__DATA_LOCATION__EXTERNAL
        (proto.n_external_data, proto.external_data) = arena.list([
          try arena.property("location", external.path),
          try arena.property("offset", String(external.offset)),
          try arena.property("length", String(external.length)),
        ])
      } else if let tensor = initializer.tensor {
        // The bytes stay where they are until they are packed.
        proto.has_raw_data = 1
        proto.raw_data =
          tensor.dtype.bits < 8
          ? arena.bytes(tensor.packedBytes())
          : ProtobufCBinaryData(
            len: tensor.byteCount, data: tensor.byteCount == 0 ? nil : tensor.pointer(as: UInt8.self))
      } else {
        throw DataError("initializer '\(name)' has no elements")
      }
    }
  }

  private func info(_ info: ValueInfo) throws -> UnsafeMutablePointer<Dsd__ValueInfoProto> {
    try arena.message(dsd__value_info_proto__init) { proto in
      proto.name = try arena.string(info.name)
      proto.type = try type(info)
    }
  }

  /// The declared type, or nil when there is none.
  private func type(_ info: ValueInfo) throws -> UnsafeMutablePointer<Dsd__TypeProto>? {
    if let container = info.container { return try self.container(container) }
    return try info.type.map(type)
  }

  private func container(_ container: ContainerType) throws -> UnsafeMutablePointer<Dsd__TypeProto> {
    try arena.message(dsd__type_proto__init) { proto in
      switch container.kind {
      case .sequence:
        proto.sequence_type = try arena.message(dsd__type_proto__sequence__init) { sequence in
          if let type = container.element { sequence.elem_type = try self.type(type) }
        }
      case .optional:
        proto.optional_type = try arena.message(dsd__type_proto__optional__init) { optional in
          if let type = container.element { optional.elem_type = try self.type(type) }
        }
      case .optionalSequence:
        proto.optional_type = try arena.message(dsd__type_proto__optional__init) { optional in
          optional.elem_type = try self.container(ContainerType(.sequence, of: container.element))
        }
      }
    }
  }

  private func type(_ type: TensorType) throws -> UnsafeMutablePointer<Dsd__TypeProto> {
    try arena.message(dsd__type_proto__init) { proto in
      proto.tensor_type = try arena.message(dsd__type_proto__tensor__init) { tensor in
        (tensor.has_elem_type, tensor.elem_type) = (1, type.dtype.rawValue)
        guard let dims = type.shape else { return }
        tensor.shape = try arena.message(dsd__tensor_shape_proto__init) { shape in
          (shape.n_dim, shape.dim) = arena.list(try dims.map(dimension))
        }
      }
    }
  }

  private func dimension(_ dim: Dim) throws -> UnsafeMutablePointer<Dsd__TensorShapeProto__Dimension> {
    try arena.message(dsd__tensor_shape_proto__dimension__init) { proto in
      switch dim {
      case .known(let value): (proto.has_dim_value, proto.dim_value) = (1, Int64(value))
      case .symbol(let name): proto.dim_param = try arena.string(name)
      case .unknown: break
      }
    }
  }
}
