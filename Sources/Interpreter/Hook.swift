import GraphIR

/// Something that watches or alters values at chosen nodes while a graph runs.
///
/// Once, at planning, a hook is asked about every node; for those it selects it says which outputs it wants
/// and in which derived forms. Whenever such a node has run, the hook is handed exactly those values.
public protocol Hook: AnyObject {
  /// The name in messages.
  var name: String { get }

  /// Which state of the graph the hook wants to see.
  var view: HookView { get }

  /// Values the hook supplies from outside, by name: they are fed instead of being computed, and what only
  /// they needed is cut.
  func supplies(_ graph: Graph) throws -> [String: Tensor]

  /// What the hook wants of a node, or nil to leave it alone.
  func selects(_ node: Node, in context: HookContext) throws -> Demand?

  /// The node has run. `values` are the demanded inputs, outputs and forms, in this order. They live in memory that
  /// the plan uses again: copy what must last. Where the demand says `alters`, an element may be set to
  /// another tensor of the same type, which then takes the value's place.
  func didRun(_ node: Node, _ values: inout [Tensor], at position: SweepPosition) throws
}

extension Hook {
  public var view: HookView { .canonical }
  public func supplies(_ graph: Graph) throws -> [String: Tensor] { [:] }
  public func selects(_ node: Node, in context: HookContext) throws -> Demand? { nil }
  public func didRun(_ node: Node, _ values: inout [Tensor], at position: SweepPosition) throws {}
}

/// Which state of the graph a hook selects nodes in.
public enum HookView: Sendable {
  /// The graph as the file has it.
  case source
  /// After recognition: attention written out in primitives is an `Attention` node by then, and small values
  /// that depend on nothing fed are constants without a node.
  case canonical
}

/// What a hook may know when it selects nodes.
public struct HookContext: Sendable {
  public let graph: Graph
  public let types: [String: TensorType]
  public let operators: OperatorSet
  private let producer: [String: Int]

  public init(graph: Graph, types: [String: TensorType], operators: OperatorSet) {
    self.graph = graph
    self.types = types
    self.operators = operators
    producer = graph.producers
  }

  /// The graph inputs that a value depends on. Linear in the part of the graph that makes the value.
  public func dependencies(of value: String) -> Set<String> {
    graph.dependencies(of: value, producer: producer)
  }
}

/// What a hook wants of one node.
public struct Demand: Sendable, Equatable {
  /// Positions of inputs; `didRun` gets them first.
  public var inputs: [Int]
  /// Positions of outputs, after the inputs.
  public var outputs: [Int]
  /// Derived forms, after the outputs.
  public var forms: [ValueForm]
  /// Whether `didRun` may replace outputs and forms; inputs are for reading.
  public var alters: Bool

  public init(
    inputs: [Int] = [], outputs: [Int] = [], forms: [ValueForm] = [], alters: Bool = false
  ) {
    self.inputs = inputs
    self.outputs = outputs
    self.forms = forms
    self.alters = alters
  }
}

/// Where in a sweep a node ran: an index for each axis that the node depends on. Empty in a plain run.
public struct SweepPosition: Hashable, Sendable {
  public var indices: [Axis: Int]
  public init(_ indices: [Axis: Int] = [:]) { self.indices = indices }
  public subscript(axis: Axis) -> Int? { indices[axis] }
}

/// A direction of a sweep, such as the images of a matching job.
public struct Axis: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  public let rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }
  public var description: String { rawValue }
}

/// A hook bound to the values of one node.
public struct Attachment {
  public let hook: any Hook
  /// The node as the hook selected it.
  public let node: Node
  /// Names of the values that the hook gets.
  public let values: [String]
  let demand: Demand

  public var alters: Bool { demand.alters }
  /// How many of the values are inputs of the node.
  var inputCount: Int { demand.inputs.count }

  /// Values that the hook may replace.
  var altered: ArraySlice<String> { alters ? values[inputCount...] : [] }
}
