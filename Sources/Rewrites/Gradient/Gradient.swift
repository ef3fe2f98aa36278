import GraphIR

/// Differentiates a graph: adds nodes that compute the gradient of a value with respect to others.
///
/// Reverse mode: from the last node to the first, each operator on the way states the gradients of its inputs
/// (`DifferentiableOperator`); what reaches a value on several ways is added up. Only nodes that lie between the
/// values of `wrt` and `of` get any, so frozen weights cost nothing. Shapes have to be concrete.
///
/// The gradient of a value `x` is called `gradient/x`. Values that do not influence `of` have the gradient zero.
public struct Gradient: GraphRewrite {
  public let name = "gradient"
  /// The value that is differentiated; of a tensor, its sum.
  public let of: String
  /// Inputs, initializers or inner values.
  public let wrt: [String]

  public init(of: String, wrt: [String]) {
    self.of = of
    self.wrt = wrt
  }

  public var needs: [String] { [of] + wrt }
  public var makes: [String] { wrt.map(Gradient.name) }

  /// What the gradient with respect to a value is called.
  public static func name(_ value: String) -> String { "gradient/\(value)" }

  /// - Throws: `DataError` that names the node without a gradient, the value that is not there or no
  ///   floating-point tensor.
  public func apply(_ graph: Graph, _ context: RewriteContext) throws -> Graph {
    let names = graph.valueNames
    for value in needs {
      guard names.contains(value) else { throw DataError("gradient: the graph has no value '\(value)'") }
      guard let type = context.types[value], type.dtype.isFloat, type.concreteShape != nil else {
        let shown = context.types[value]?.description ?? "of unknown type"
        throw DataError("gradient: '\(value)' is \(shown), not a floating-point tensor of known shape")
      }
    }
    var walk = GradientWalk(graph, context, of: of, wrt: wrt)
    try walk.run()
    return walk.finished()
  }
}
