/// A head in code: writes the nodes of a head's graph.
///
/// ```swift
/// struct Scaled: HeadDefinition {
///   let name = "scaled"
///   func score(_ head: HeadBuilder) -> Value {
///     let weight = head.learned("weight", Tensor([1 as Float], shape: [1]), axes: ["layers"])
///     let g = head.graph
///     return head.mean(g.Mul(head.attention, weight), over: [1, 2])
///   }
/// }
/// let head = try Head(Scaled())
/// ```
public protocol HeadDefinition: Sendable {
  /// The name on the command line.
  var name: String { get }
  /// One line for people.
  var summary: String { get }
  var rule: Head.Rule { get }

  /// Emits the nodes that make `[pairs]` scores.
  func score(_ head: HeadBuilder) -> Value
}

extension HeadDefinition {
  public var rule: Head.Rule { .adamw }
  public var summary: String { name }
}

/// Where a head in code finds its inputs and puts its nodes. An input exists once it is asked for.
public final class HeadBuilder {
  public let graph = GraphBuilder()
  private var inputs: [String: Value] = [:]
  private var learned: [String] = []

  public init() {}

  /// s_l, `[pairs, timesteps, layers]`.
  public var attention: Value { input(Head.Term.attention.rawValue, ["pairs", "timesteps", "layers"]) }

  /// The bias, `[pairs, timesteps]`.
  public var bias: Value { input(Head.Term.bias.rawValue, ["pairs", "timesteps"]) }

  /// Each attention head's mean log-sum-exp, `[pairs, timesteps, heads]`.
  public var heads: Value { input(Head.Term.heads.rawValue, ["pairs", "timesteps", "heads"]) }

  /// A value of the pipeline. The head then runs for each timestep by itself, so that `timesteps` is 1.
  /// - Parameter shape: begins with `pairs`.
  public func value(_ name: String, _ shape: [Dim]) -> Value { input(name, shape) }

  private func input(_ name: String, _ shape: [Dim]) -> Value {
    if let known = inputs[name] { return known }
    let value = graph.input(name, .float32, shape)
    inputs[name] = value
    return value
  }

  /// A learned tensor.
  /// - Parameters:
  ///   - initial: float32; an axis of length 1 grows to the extent that it is named after.
  ///   - axes: `timesteps`, `layers` or `heads`, or nil for an axis that keeps its length.
  public func learned(_ name: String, _ initial: Tensor, axes: [String?]) -> Value {
    precondition(axes.count == initial.rank && initial.dtype == .float32)
    learned.append("\(name):" + axes.map { $0 ?? "*" }.joined(separator: ","))
    return graph.weight(name, Initializer(initial))
  }

  /// The mean over some axes.
  public func mean(_ value: Value, over axes: [Int]) -> Value {
    graph.ReduceMean(value, graph.ints(axes, "axes"), attributes: ["keepdims": .int(0)])
  }

  fileprivate func finished(_ definition: some HeadDefinition, _ score: Value) -> Graph {
    graph.output(score, as: Head.output, TensorType(.float32, ["pairs"]))
    graph.edit { graph in
      graph.name = definition.name
      graph.metadata[Head.Key.name] = definition.name
      graph.metadata[Head.Key.rule] = definition.rule.rawValue
      if !learned.isEmpty { graph.metadata[Head.Key.learned] = learned.joined(separator: ";") }
    }
    return graph.graph
  }
}

extension Head {
  /// The head that some code writes.
  public init(_ definition: some HeadDefinition) throws {
    let builder = HeadBuilder()
    let score = definition.score(builder)
    try self.init(builder.finished(definition, score).validated(.standard))
  }
}
