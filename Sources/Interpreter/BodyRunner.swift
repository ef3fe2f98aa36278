import GraphIR

/// Runs an operator on values, and its bodies (the branches of If, the body of Loop): each as a plan of its own,
/// made for the types that it meets.
final class BodyRunner {
  private let node: Node
  private let operators: OperatorSet
  private let pool: ThreadPool
  private let bodies: [String: Body]
  private var plans: [Key: Plan] = [:]

  /// Plans kept; a loop that grows a tensor would make one at every turn.
  private static let planLimit = 16

  private struct Body {
    var graph: Graph
    /// Names taken from the graph around, and their slots there.
    var captured: [(name: String, slot: Int)] = []
  }

  private struct Key: Hashable {
    let attribute: String
    /// Nil for what is no tensor.
    let types: [TensorType?]
  }

  init(_ node: Node, _ outer: Graph, _ slots: [String: Int], _ preparation: Preparation) {
    self.node = node
    operators = preparation.operators
    pool = preparation.pool
    let fed = Set(outer.inputs.map(\.name))
    bodies = node.subgraphs.reduce(into: [:]) { result, entry in
      var body = Body(graph: entry.graph)
      body.graph.opsets = outer.opsets
      for name in entry.graph.capturedNames {
        if let constant = outer.initializers[name], !fed.contains(name) {
          body.graph.initializers[name] = constant
        } else if let slot = slots[name] {
          body.captured.append((name, slot))
          body.graph.inputs.append(ValueInfo(name, nil))
        }
      }
      result[entry.name] = body
    }
  }

  /// - Parameter values: the slots of the plan around.
  func run(
    _ op: any Operator, _ inputs: [RuntimeValue?], _ values: [RuntimeValue?],
    _ profile: Profile?
  ) throws -> [RuntimeValue] {
    guard let op = op as? any ValueOperator else { throw DataError("does not run on values") }
    return try op.run(inputs, pool) { try run($0, $1, values, profile) }
  }

  private func run(
    _ attribute: String, _ inputs: [RuntimeValue], _ values: [RuntimeValue?], _ profile: Profile?
  ) throws -> [RuntimeValue] {
    guard let body = bodies[attribute] else { throw DataError("attribute '\(attribute)' is missing") }
    var given = inputs
    for (name, slot) in body.captured {
      guard let value = values[slot] else { throw DataError("value '\(name)' is not there") }
      given.append(value)
    }
    let graph = body.graph
    guard given.count == graph.inputs.count else {
      throw DataError(
        "\(attribute) has \(graph.inputs.count - body.captured.count) inputs, not \(inputs.count)")
    }
    let fed = Dictionary(zip(graph.inputs.map(\.name), given), uniquingKeysWith: { first, _ in first })
    let types = given.map { $0.tensor.map { TensorType($0.dtype, $0.shape) } }
    let key = Key(attribute: attribute, types: types)
    do {
      let results = try (plans[key] ?? plan(graph, fed, key)).runValues(fed, profile: profile)
      return graph.outputs.map { results[$0.name]! }
    } catch let error as DataError {
      throw error.at(attribute)
    }
  }

  private func plan(_ graph: Graph, _ fed: [String: RuntimeValue], _ key: Key) throws -> Plan {
    let types = fed.compactMapValues { $0.tensor.map { TensorType($0.dtype, $0.shape) } }
    let containers = Set(fed.keys).subtracting(types.keys)
    let plan = try Plan(Preparation(graph, operators, inputs: types, containers: containers, pool: pool))
    if plans.count >= BodyRunner.planLimit { plans.removeAll() }
    plans[key] = plan
    return plan
  }
}
