import GraphIR

/// The outputs of `then_branch` if the condition holds, else those of `else_branch`. Only the chosen one runs.
struct If: ValueOperator {
  static let schema = Schema(
    "If", since: 1, inputs: ["cond: B"], outputs: ["outputs*"], types: ["B": [.bool]],
    attributes: ["then_branch": .none, "else_branch": .none])
  private static let branches = ["then_branch", "else_branch"]

  init(_ attributes: Attributes) throws {
    for name in If.branches {
      let branch = try attributes.required(name, attributes.graph(name))
      guard branch.inputs.isEmpty else { throw DataError("\(name) has inputs") }
      guard branch.outputs.count == attributes.outputCount else {
        throw DataError("\(name) has \(branch.outputs.count) outputs, the node \(attributes.outputCount)")
      }
    }
  }

  func infer(_ inputs: InferenceInputs, body: BodyTypes) throws -> [TensorType?] {
    if let known = inputs.constant(0) { return try body(If.branch(try Flow.condition(known)), []) }
    let types = If.branches.map { branch in Result { try body(branch, []) } }
    // Where only one branch fits the inputs, the condition will have to choose that one.
    if case .success(let then) = types[0], case .success(let otherwise) = types[1] {
      return try zip(then, otherwise).map(Flow.either)
    }
    let fitting = try (try? types[0].get()) ?? types[1].get()
    return fitting.map { $0.map { TensorType($0.dtype, nil) } }
  }

  func run(_ inputs: [RuntimeValue?], _ pool: ThreadPool, body: BodyRun) throws -> [RuntimeValue] {
    let condition = try Flow.tensor(inputs, 0, "cond")
    return try body(If.branch(try Flow.condition(condition)), [])
  }

  private static func branch(_ condition: Bool) -> String { condition ? "then_branch" : "else_branch" }
}
