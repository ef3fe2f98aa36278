import GraphIR

/// The input as an optional, or an optional without anything.
struct OptionalOperator: ValueOperator {
  static let schema = Schema(
    "Optional", since: 15, inputs: ["input?"], outputs: ["output"], attributes: ["type": .none])

  init(_ attributes: Attributes) {}

  func infer(_ inputs: InferenceInputs, body: BodyTypes)
    -> [TensorType?]
  {
    [nil]
  }

  func run(_ inputs: [RuntimeValue?], _ pool: ThreadPool, body: BodyRun) -> [RuntimeValue] {
    [(inputs.first ?? nil)?.copy() ?? .absent]
  }
}

/// Whether an optional holds something; false as well when the input is left out.
struct OptionalHasElement: ValueOperator {
  static let schema = Schema("OptionalHasElement", since: 18, inputs: ["input?"], outputs: ["output"])

  init(_ attributes: Attributes) {}

  func infer(_ inputs: InferenceInputs, body: BodyTypes)
    -> [TensorType?]
  {
    [TensorType(.bool, [Int]())]
  }

  func run(_ inputs: [RuntimeValue?], _ pool: ThreadPool, body: BodyRun) -> [RuntimeValue] {
    if case nil = inputs.first ?? nil { return [.tensor(Tensor(scalar: false))] }
    if case .absent = inputs.first ?? nil { return [.tensor(Tensor(scalar: false))] }
    return [.tensor(Tensor(scalar: true))]
  }
}

/// What an optional holds.
struct OptionalGetElement: ValueOperator {
  static let schema = Schema("OptionalGetElement", since: 18, inputs: ["input"], outputs: ["output"])

  init(_ attributes: Attributes) {}

  func infer(_ inputs: InferenceInputs, body: BodyTypes)
    -> [TensorType?]
  {
    inputs.types.first.map { [$0] } ?? [nil]
  }

  func run(_ inputs: [RuntimeValue?], _ pool: ThreadPool, body: BodyRun) throws -> [RuntimeValue] {
    let value = try Sequences.value(inputs, 0, "input")
    if case .absent = value { throw DataError("the optional holds nothing") }
    return [value.copy()]
  }
}
