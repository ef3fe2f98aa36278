import GraphIR

/// A value given by an attribute.
struct Constant: Operator {
  static let schema = Schema(
    "Constant", since: 13, inputs: [], outputs: ["output"],
    attributes: [
      "value": .none, "value_float": .none, "value_floats": .none, "value_int": .none, "value_ints": .none,
      "value_string": .none, "value_strings": .none, "sparse_value": .none,
    ])
  static let runsHalf = true
  let value: Tensor

  init(_ attributes: Attributes) throws {
    for name in ["value_string", "value_strings", "sparse_value"] where attributes.has(name) {
      throw DataError("attribute '\(name)' is not supported: strings and sparse tensors are not")
    }
    let given = attributes.values.keys.sorted()
    guard given.count == 1 else { throw DataError("has \(given.count) values (\(given)), one is needed") }
    if let tensor = try attributes.tensor("value") {
      value = tensor
    } else if let float = try attributes.float("value_float") {
      value = Tensor(scalar: float)
    } else if let floats = try attributes.floats("value_floats") {
      value = Tensor(floats, shape: [floats.count])
    } else if let int = try attributes.int("value_int") {
      value = Tensor(scalar: Int64(int))
    } else {
      let ints = try attributes.required("value_ints", attributes.ints("value_ints"))
      value = Tensor(ints.map { Int64($0) }, shape: [ints.count])
    }
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] { [TensorType(value.dtype, value.shape)] }

  func knownOutputs(_ inputs: InferenceInputs) -> [Tensor]? { [value] }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    outputs[0]?.assign(value)
  }
}
