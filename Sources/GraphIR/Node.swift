/// One operator applied to named values.
public struct Node: Sendable, Equatable {
  /// The node's name; scopes are parted by `/`. Unique within a validated graph.
  public var name: String
  /// `""` is ONNX's default domain, `"dsd"` ours.
  public var domain: String
  public var op: String
  /// Names of values; `""` is an absent optional input.
  public var inputs: [String]
  /// Names of values; `""` is an output nobody asks for.
  public var outputs: [String]
  public var attributes: [String: Attribute]
  /// ONNX's `metadata_props` of the node, such as `dsd.layer` and `dsd.role` on attention.
  public var metadata: [String: String]

  public init(
    _ op: String, domain: String = "", name: String = "", inputs: [String], outputs: [String],
    attributes: [String: Attribute] = [:], metadata: [String: String] = [:]
  ) {
    self.op = op
    self.domain = domain
    self.name = name
    self.inputs = inputs
    self.outputs = outputs
    self.attributes = attributes
    self.metadata = metadata
  }

  /// `Conv`, or `dsd.Linear` outside the default domain.
  public var qualifiedOp: String { domain.isEmpty ? op : "\(domain).\(op)" }

  /// How messages call the node: its name and operator.
  public var label: String {
    let shown = name.isEmpty ? (outputs.first { !$0.isEmpty } ?? "") : name
    return "node '\(shown)' (\(qualifiedOp))"
  }

  /// The graphs held by attributes (bodies of If, Loop and Scan), with the attribute's name.
  public var subgraphs: [(name: String, graph: Graph)] {
    attributes.sorted { $0.key < $1.key }.compactMap { name, attribute in
      if case .graph(let graph) = attribute { (name, graph) } else { nil }
    }
  }
}
