import GraphIR

/// One value, all over a shape.
struct ConstantOfShape: Operator {
  static let schema = Schema(
    "ConstantOfShape", since: 9, inputs: ["input[1]: S"], outputs: ["output"], types: ["S": [.int64]],
    attributes: ["value": .none])
  static let runsHalf = true
  let value: Tensor

  init(_ attributes: Attributes) throws {
    value = try attributes.tensor("value") ?? Tensor(scalar: Float(0))
    guard value.count == 1 else { throw DataError("value \(Shape.text(value.shape)) is not one element") }
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    guard let shape = inputs.ints(0) else {
      return [TensorType(value.dtype, try Movement.length(inputs, 0).map { Movement.unknown($0) })]
    }
    return [try Movement.limited(value.dtype, shape.map { .known($0) })]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    outputs[0]?.fill(with: value)
  }
}
