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
  /// A value made by one of some operators as their output number `output`, from inputs that match; further inputs are
  /// not looked at. `label` binds the node, and the value as a variable.
  case node(ops: [String], inputs: [Pattern], commutes: Bool, label: String?, output: Int)
  /// A value whose constant has one element, bound to a name.
  case scalar(String)
  /// A value that is known before the run, bound to a name.
  case constant(String)
  /// The first of several patterns that matches.
  case either([Pattern])

  public init(stringLiteral value: String) { self = .variable(value) }

  /// The same pattern with the matched node bound to `label`.
  public func bound(as label: String) -> Pattern {
    if case .node(let ops, let inputs, let commutes, _, let output) = self {
      return .node(ops: ops, inputs: inputs, commutes: commutes, label: label, output: output)
    }
    return self
  }

  /// The same pattern for another output of the node than its first.
  public func output(_ position: Int) -> Pattern {
    if case .node(let ops, let inputs, let commutes, let label, _) = self {
      return .node(ops: ops, inputs: inputs, commutes: commutes, label: label, output: position)
    }
    return self
  }

  /// The operators whose nodes can match; nil when any can.
  var rootOperators: Set<String>? {
    switch self {
    case .node(let ops, _, _, _, _): return Set(ops)
    case .either(let patterns):
      let each = patterns.compactMap(\.rootOperators)
      return each.count == patterns.count ? each.reduce([]) { $0.union($1) } : nil
    case .variable, .scalar, .constant: return nil
    }
  }
}

/// Writes patterns: `op.MatMul("x", "w")`. Add and Mul match with their inputs in either order.
public let op = PatternFactory()

@dynamicMemberLookup
public struct PatternFactory: Sendable {
  public subscript(dynamicMember name: String) -> PatternCall { PatternCall(ops: [name]) }

  /// Any one of some operators.
  public func any(_ names: String...) -> PatternCall { PatternCall(ops: names) }

  public struct PatternCall: Sendable {
    let ops: [String]
    public func callAsFunction(_ inputs: Pattern...) -> Pattern {
      .node(ops: ops, inputs: inputs, commutes: ops == ["Add"] || ops == ["Mul"], label: nil, output: 0)
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

  /// The type of the value that would be replaced.
  /// - Throws: `Decline` when it is not known.
  public func resultType() throws -> TensorType {
    guard let type = context.types[root.outputs[0]] else { throw Decline("the result's type is not known") }
    return type
  }

  /// The elements of a bound constant, whatever its type.
  /// - Throws: `Decline` when it is not known before the run.
  public func numbers(_ name: String) throws -> [Double] {
    guard let tensor = context.constants[values[name]!], !context.altered.contains(values[name]!) else {
      throw Decline("\(name) is not a constant")
    }
    return tensor.converted(to: .float64).array(of: Double.self)
  }

  /// Checks a bound number, as near as 16-bit floats tell it.
  /// - Throws: `Decline` when it is another.
  public func require(_ name: String, is expected: Double) throws {
    let found = try number(name)
    guard abs(found - expected) <= 1e-3 * abs(expected) else {
      throw Decline("\(name) is \(found), not \(expected)")
    }
  }

  /// A list attribute of a bound node.
  public func ints(_ label: String, _ attribute: String) -> [Int]? {
    if case .ints(let list)? = nodes[label]?.attributes[attribute] { list } else { nil }
  }

  /// The axes of a bound node, from its attribute or its second input.
  public func axes(_ label: String) -> [Int]? {
    if let list = ints(label, "axes") { return list }
    guard let node = nodes[label], node.inputs.count > 1, !context.altered.contains(node.inputs[1]) else {
      return nil
    }
    return context.constants[node.inputs[1]]?.converted(to: .int64).array(of: Int64.self).map { Int($0) }
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

  /// For what a pattern cannot say and nobody would expect to apply: no word is lost about it.
  public static let noMatch = Decline("")
}
