/// A function from graph to graph: what fuses, cuts, inserts or differentiates.
public protocol GraphRewrite: Sendable {
  /// The name in reports and messages.
  var name: String { get }

  /// Values of the graph that the rewrite has to find there, whoever else needs them.
  var needs: [String] { get }

  /// Values that it adds, to be outputs of what is prepared.
  var makes: [String] { get }

  /// The changed graph.
  /// - Throws: `DataError` when the graph cannot be changed as asked.
  func apply(_ graph: Graph, _ context: RewriteContext) throws -> Graph
}

extension GraphRewrite {
  public var needs: [String] { [] }
  public var makes: [String] { [] }
}

/// What a rewrite may know and must respect.
public struct RewriteContext: Sendable {
  public let operators: OperatorSet
  /// Inferred types of the graph's values.
  public let types: [String: TensorType]
  /// Values that are known before the graph runs.
  public let constants: [String: Tensor]
  /// Values that something alters at run time: what uses them must go on using them.
  public let altered: Set<String>
  /// Tells of every place where a rule matched and declined, and why.
  public let trace: (@Sendable (String) -> Void)?

  public init(
    operators: OperatorSet, types: [String: TensorType], constants: [String: Tensor] = [:],
    altered: Set<String> = [], trace: (@Sendable (String) -> Void)? = nil
  ) {
    self.operators = operators
    self.types = types
    self.constants = constants
    self.altered = altered
    self.trace = trace
  }
}
