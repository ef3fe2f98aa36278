import GraphIR

/// A shape of graph to look for: operators applied to operators and variables.
///
/// ```swift
/// op.Add(op.MatMul("x", "w"), "b")
/// ```
///
/// A string is a variable: it binds any value, and the same value wherever it occurs again.
public indirect enum Pattern: Sendable, ExpressibleByStringLiteral {
  /// Any value, bound to a name.
  case variable(String)
  /// A value made by one of some operators, from inputs that match. `label` binds the node.
  case node(ops: [String], inputs: [Pattern], commutes: Bool, label: String?)
  /// A value whose constant has one element, bound to a name.
  case scalar(String)
  /// The first of several patterns that matches.
  case either([Pattern])

  public init(stringLiteral value: String) { self = .variable(value) }

  /// The same pattern with the matched node bound to `label`.
  public func bound(as label: String) -> Pattern {
    if case .node(let ops, let inputs, let commutes, _) = self {
      return .node(ops: ops, inputs: inputs, commutes: commutes, label: label)
    }
    return self
  }
}

/// Writes patterns: `op.MatMul("x", "w")`. Add and Mul match with their inputs in either order.
public let op = PatternFactory()

@dynamicMemberLookup
public struct PatternFactory: Sendable {
  public subscript(dynamicMember name: String) -> PatternCall { PatternCall(ops: [name]) }

  public struct PatternCall: Sendable {
    let ops: [String]
    public func callAsFunction(_ inputs: Pattern...) -> Pattern {
      .node(ops: ops, inputs: inputs, commutes: ops == ["Add"] || ops == ["Mul"], label: nil)
    }
  }
}

/// What a pattern's names stand for at one place of a graph.
public struct Match: Sendable {
  /// The node that makes the matched value.
  public let root: Node
  public internal(set) var values: [String: String] = [:]
  public internal(set) var nodes: [String: Node] = [:]
  let graph: Graph
  let context: RewriteContext
  /// Every node that is part of the match, the root included.
  var matched: [String] = []

  init(root: Node, graph: Graph, context: RewriteContext) {
    self.root = root
    self.graph = graph
    self.context = context
  }

  public subscript(name: String) -> Value { Value(values[name]!) }

  /// Whether the part of the pattern with this variable was met.
  public func isBound(_ name: String) -> Bool { values[name] != nil }

  /// The type of a bound value.
  /// - Throws: `Decline` when it is not known.
  public func type(_ name: String) throws -> TensorType {
    guard let type = context.types[values[name]!] else { throw Decline("the type of \(name) is not known") }
    return type
  }

  /// The concrete shape of a bound value.
  public func shape(_ name: String) throws -> [Int] {
    guard let shape = try type(name).concreteShape else {
      throw Decline("the shape of \(name) is not known")
    }
    return shape
  }

  /// The value of a bound constant of one element.
  public func number(_ name: String) throws -> Double {
    guard let tensor = context.constants[values[name]!], tensor.count == 1 else {
      throw Decline("\(name) is not a constant number")
    }
    return tensor.converted(to: .float64).array(of: Double.self)[0]
  }

  /// A list attribute of a bound node.
  public func ints(_ label: String, _ attribute: String) -> [Int]? {
    if case .ints(let list)? = nodes[label]?.attributes[attribute] { list } else { nil }
  }

  /// The version of the default domain's operators in the graph.
  public var opset: Int { graph.opset(of: "") ?? 1 }

  public func int(_ label: String, _ attribute: String) -> Int? {
    if case .int(let value)? = nodes[label]?.attributes[attribute] { value } else { nil }
  }
}

/// Why a rule that matched does not apply here.
public struct Decline: Error, CustomStringConvertible {
  public let description: String
  public init(_ reason: String) { description = reason }
}
