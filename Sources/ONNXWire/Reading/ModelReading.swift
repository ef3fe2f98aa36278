import CGraphProto
import GraphIR

/// Turns an unpacked model into a graph.
///
/// Calls of the file's own functions are replaced by the functions' nodes on the way. Everything happens in
/// one walk with a `Scope` that says how names and attribute references are to be read.
final class ModelReading {
  /// What the names around a node mean: outside functions nothing changes; inside, formal inputs and outputs
  /// stand for the caller's values, other names get the call's prefix.
  struct Scope {
    var prefix = ""
    var values: [String: String] = [:]
    var attributes: [String: Attribute] = [:]
    var opsets: [String: Int] = [:]
    var calls: [FunctionKey] = []
    /// Functions and subgraphs around.
    var depth = 0

    var isFunction: Bool { !calls.isEmpty }
    func value(_ name: String) -> String {
      name.isEmpty ? "" : values[name] ?? prefix + name
    }
  }

  static let depthLimit = 48

  let functions: [FunctionKey: UnsafeMutablePointer<Dsd__FunctionProto>]
  /// Opens the files that attributes' tensors live in; nil when there is no folder.
  private let files: () throws -> ExternalFiles?
  private var tensors: [UnsafeMutablePointer<Dsd__TensorProto>: Initializer] = [:]
  /// What the expansion of functions may still cost, in bytes.
  var allowance: Int
  private(set) var opsets: [String: Int] = [:]
  /// Names of the file's values and of those that expansion has made.
  var usedValues: Set<String> = []
  /// The same, for what stands for operators of `com.microsoft`.
  private(set) lazy var takenNames = TakenNames(usedValues)

  init(
    _ model: Dsd__ModelProto, fileSize: Int, files: @escaping () throws -> ExternalFiles?
  ) throws {
    self.files = files
    allowance = 4 << 20 + 8 * fileSize
    functions = try ModelReading.functions(model)
    opsets = try ModelReading.opsets(model.n_opset_import, model.opset_import)
  }

  /// - Throws: `DataError` without the file's name.
  func graph(_ model: Dsd__ModelProto) throws -> Graph {
    guard let proto = model.graph else { throw DataError("holds no graph") }
    for node in list(proto.pointee.n_node, proto.pointee.node) {
      usedValues.formUnion(try texts(node.pointee.n_output, node.pointee.output))
    }
    usedValues.formUnion(
      try list(proto.pointee.n_initializer, proto.pointee.initializer).map { try text($0.pointee.name) })
    usedValues.formUnion(
      try list(proto.pointee.n_input, proto.pointee.input).map { try text($0.pointee.name) })
    var graph = try graph(proto.pointee, Scope())
    graph.metadata = try properties(model.n_metadata_props, model.metadata_props)
    let stamp = Stamp(
      opsets: importedOpsets(usedBy: graph), irVersion: Int(model.ir_version),
      producer: try text(model.producer_name))
    stamp.apply(to: &graph)
    return graph
  }

  /// Notes that an expanded function's node needs a version of a domain.
  func require(_ domain: String, in scope: Scope) throws {
    guard let version = scope.opsets[domain] else { return }
    guard let other = opsets[domain] else {
      opsets[domain] = version
      return
    }
    if other != version {
      let shown = domain.isEmpty ? "ai.onnx" : domain
      throw DataError("the function uses version \(version) of \(shown), the model imports version \(other)")
    }
  }

  /// A graph or subgraph with the names of `scope`.
  func graph(_ proto: Dsd__GraphProto, _ scope: Scope) throws -> Graph {
    guard scope.depth <= ModelReading.depthLimit else { throw DataError("subgraphs are nested too deep") }
    guard proto.n_sparse_initializer == 0 else { throw DataError("sparse initializers are not supported") }
    var graph = Graph(name: try text(proto.name))
    graph.inputs = try valueInfos(proto.n_input, proto.input, scope)
    graph.outputs = try valueInfos(proto.n_output, proto.output, scope)
    for info in try valueInfos(proto.n_value_info, proto.value_info, scope) {
      if let type = info.type { graph.valueTypes[info.name] = type }
    }
    for tensor in list(proto.n_initializer, proto.initializer) {
      let name = scope.value(try text(tensor.pointee.name))
      do {
        if name.isEmpty { throw DataError("has no name") }
        if graph.initializers[name] != nil { throw DataError("is given twice") }
        graph.initializers[name] = try initializer(tensor)
      } catch let error as DataError {
        throw error.at("initializer '\(name)'")
      }
    }
    let nodes = list(proto.n_node, proto.node)
    var namer = NodeNamer(reserved: try nodes.map { try text($0.pointee.name) })
    graph.nodes.reserveCapacity(nodes.count)
    for node in nodes { try append(node.pointee, scope, to: &graph.nodes, &namer) }
    return graph
  }

  /// A tensor; the message's bytes are taken on the first call and remembered for later ones.
  private func initializer(_ proto: UnsafeMutablePointer<Dsd__TensorProto>) throws -> Initializer {
    if let known = tensors[proto] { return known }
    let read = try TensorReading.initializer(proto)
    tensors[proto] = read
    return read
  }

  /// A tensor held by an attribute. Attributes have no place for a location, so external bytes are bound
  /// here.
  func attributeTensor(_ proto: UnsafeMutablePointer<Dsd__TensorProto>) throws -> Tensor {
    let read = try initializer(proto)
    if let tensor = read.tensor { return tensor }
    guard let location = read.external, let files = try files() else {
      throw DataError("its bytes are in another file, and the graph has no folder")
    }
    return try files.tensor(read.dtype, read.shape, location)
  }

  private func valueInfos(
    _ count: Int, _ infos: UnsafeMutablePointer<UnsafeMutablePointer<Dsd__ValueInfoProto>?>?, _ scope: Scope
  ) throws -> [ValueInfo] {
    try list(count, infos).map { info in
      let name = scope.value(try text(info.pointee.name))
      do {
        return try TensorReading.info(name, info.pointee.type)
      } catch let error as DataError {
        throw error.at("value '\(name)'")
      }
    }
  }

  // MARK: Operator sets

  static func opsets(
    _ count: Int, _ imports: UnsafeMutablePointer<UnsafeMutablePointer<Dsd__OperatorSetIdProto>?>?
  ) throws -> [String: Int] {
    var result: [String: Int] = [:]
    for entry in list(count, imports) {
      let domain = canonical(domain: try text(entry.pointee.domain))
      let version = Int(entry.pointee.version)
      if let other = result.updateValue(version, forKey: domain), other != version {
        let shown = domain.isEmpty ? "ai.onnx" : domain
        throw DataError("versions \(other) and \(version) of \(shown) are both imported")
      }
    }
    return result
  }

  /// `ai.onnx` is the long name of the default domain.
  static func canonical(domain: String) -> String { domain == "ai.onnx" ? "" : domain }

  /// The model's imports without what expansion has made unnecessary, and without our own domain's, which
  /// needs none.
  private func importedOpsets(usedBy graph: Graph) -> [String: Int] {
    var used: Set<String> = [""]
    func collect(_ graph: Graph) {
      for node in graph.nodes {
        used.insert(node.domain)
        for (_, body) in node.subgraphs { collect(body) }
      }
    }
    if !functions.isEmpty { collect(graph) }
    let defined = Set(functions.keys.map(\.domain))
    return opsets.filter { domain, version in
      (used.contains(domain) || !defined.contains(domain)) && !(domain == "dsd" && version == 1)
    }
  }

  /// What the model says once and every subgraph repeats.
  private struct Stamp {
    let opsets: [String: Int]
    let irVersion: Int
    let producer: String

    func apply(to graph: inout Graph) {
      graph.opsets = opsets
      graph.irVersion = irVersion
      graph.producer = producer
      for (position, node) in graph.nodes.enumerated() {
        for (name, body) in node.subgraphs {
          var stamped = body
          apply(to: &stamped)
          graph.nodes[position].attributes[name] = .graph(stamped)
        }
      }
    }
  }
}

/// Gives every node of a graph a name of its own; the names that the file gives come first.
struct NodeNamer {
  private var reserved: Set<String>
  private var taken: Set<String> = []
  /// The next number to try for each name.
  private var numbers: [String: Int] = [:]

  init(reserved: [String]) { self.reserved = Set(reserved) }

  /// The node's own name if nobody has it, else a name made from `base`.
  mutating func name(_ own: String, or base: String) -> String {
    if !own.isEmpty, taken.insert(own).inserted { return own }
    let start = own.isEmpty ? base : own
    var candidate = start
    while reserved.contains(candidate) || !taken.insert(candidate).inserted {
      let number = numbers[start, default: 1]
      candidate = "\(start)_\(number)"
      numbers[start] = number + 1
    }
    return candidate
  }
}
