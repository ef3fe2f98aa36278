import Foundation

/// The value of a node's attribute.
public enum Attribute: Sendable, Equatable {
  case int(Int)
  case float(Float)
  case string(String)
  case ints([Int])
  case floats([Float])
  case strings([String])
  case tensor(Tensor)
  case graph(Graph)
  /// The type of a value, which has no name here.
  case type(ValueInfo)

  /// The kind as messages name it.
  public var kind: String {
    switch self {
    case .int: "int"
    case .float: "float"
    case .string: "string"
    case .ints: "ints"
    case .floats: "floats"
    case .strings: "strings"
    case .tensor: "tensor"
    case .graph: "graph"
    case .type: "type"
    }
  }

  public static func == (a: Attribute, b: Attribute) -> Bool {
    switch (a, b) {
    case (.int(let x), .int(let y)): x == y
    case (.float(let x), .float(let y)): x.bitPattern == y.bitPattern
    case (.string(let x), .string(let y)): x == y
    case (.ints(let x), .ints(let y)): x == y
    case (.floats(let x), .floats(let y)): x.map(\.bitPattern) == y.map(\.bitPattern)
    case (.strings(let x), .strings(let y)): x == y
    case (.tensor(let x), .tensor(let y)): x.isIdentical(to: y)
    case (.graph(let x), .graph(let y)): x == y
    case (.type(let x), .type(let y)): x == y
    default: false
    }
  }
}

/// What an operator's initialiser reads: the node's attributes, with the schema's defaults filled in.
public struct Attributes: Sendable {
  public let values: [String: Attribute]
  /// The version of the operator's domain that the graph imports.
  public let opset: Int
  /// How many inputs and outputs the node names (absent ones in the middle count).
  public let inputCount: Int
  public let outputCount: Int
  /// Of the products that the operator computes.
  public let precision: ProductPrecision
  /// The node's metadata.
  public let metadata: [String: String]

  public init(
    _ values: [String: Attribute], opset: Int, inputCount: Int = 0, outputCount: Int = 1,
    precision: ProductPrecision = .float32, metadata: [String: String] = [:]
  ) {
    self.precision = precision
    self.metadata = metadata
    self.values = values
    self.opset = opset
    self.inputCount = inputCount
    self.outputCount = outputCount
  }

  public func has(_ name: String) -> Bool { values[name] != nil }

  /// The attribute, or nil when it is absent and has no default.
  /// - Throws: `DataError` when it is of another kind. The same holds for the getters below.
  public func int(_ name: String) throws -> Int? {
    try get(name, "an int") { if case .int(let value) = $0 { value } else { nil } }
  }
  public func float(_ name: String) throws -> Float? {
    try get(name, "a float") { if case .float(let value) = $0 { value } else { nil } }
  }
  /// A float that must be there, for arithmetic in doubles.
  public func real(_ name: String) throws -> Double { Double(try required(name, float(name))) }
  public func string(_ name: String) throws -> String? {
    try get(name, "a string") { if case .string(let value) = $0 { value } else { nil } }
  }
  public func ints(_ name: String) throws -> [Int]? {
    try get(name, "a list of ints") { if case .ints(let value) = $0 { value } else { nil } }
  }
  public func floats(_ name: String) throws -> [Float]? {
    try get(name, "a list of floats") { if case .floats(let value) = $0 { value } else { nil } }
  }
  public func tensor(_ name: String) throws -> Tensor? {
    try get(name, "a tensor") { if case .tensor(let value) = $0 { value } else { nil } }
  }
  public func graph(_ name: String) throws -> Graph? {
    try get(name, "a graph") { if case .graph(let value) = $0 { value } else { nil } }
  }
  /// An int read as a switch.
  public func bool(_ name: String) throws -> Bool { try int(name) ?? 0 != 0 }

  /// The value of an attribute that must be there.
  public func required<T>(_ name: String, _ value: T?) throws -> T {
    guard let value else { throw DataError("attribute '\(name)' is missing") }
    return value
  }

  private func get<T>(_ name: String, _ kind: String, _ read: (Attribute) -> T?) throws -> T? {
    guard let attribute = values[name] else { return nil }
    guard let value = read(attribute) else {
      // An empty list carries no element kind in some writers' files.
      if case .ints(let list) = attribute, list.isEmpty, kind == "a list of floats" {
        return read(.floats([]))
      }
      throw DataError("attribute '\(name)' is \(attribute.kind), not \(kind)")
    }
    return value
  }
}
