import GraphIR

/// Just enough operators to validate graphs with.
struct Same: Operator {
  static let schema = Schema("Same", since: 1, inputs: ["x: T"], outputs: ["y: T"], types: ["T": .floats])
  init(_ attributes: Attributes) throws {}
  func infer(_ inputs: InferenceInputs) throws -> [TensorType] { [try inputs.type(0)] }
  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    outputs[0]?.assign(inputs[0]!)
  }
}

struct Sum2: Operator {
  static let schema = Schema(
    "Sum2", since: 1, inputs: ["a: T", "b: T"], outputs: ["y: T"], types: ["T": .floats],
    attributes: ["scale": .float(1)])
  init(_ attributes: Attributes) throws {}
  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let (a, b) = (try inputs.type(0), try inputs.type(1))
    guard let x = a.shape, let y = b.shape else { return [TensorType(a.dtype, nil)] }
    guard let shape = Shape.broadcast(x, y) else { throw DataError("shapes do not broadcast") }
    return [TensorType(a.dtype, shape)]
  }
  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {}
}

struct Choice: Operator {
  static let schema = Schema(
    "If", since: 1, inputs: ["cond"], outputs: ["outputs*"],
    attributes: ["then_branch": .none, "else_branch": .none])
  init(_ attributes: Attributes) throws {}
  func infer(_ inputs: InferenceInputs) throws -> [TensorType] { [TensorType(.float32, nil)] }
  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {}
}

let smallSet = OperatorSet([Same.self, Sum2.self, Choice.self], opsets: 7...25)

/// The message of the `DataError` that `body` throws.
func message(_ body: () throws -> some Any) -> String? {
  do {
    _ = try body()
    return nil
  } catch { return (error as? DataError)?.message ?? "not a DataError: \(error)" }
}
