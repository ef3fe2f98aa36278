import GraphIR

/// Y = X / √(mean of X² + epsilon) · scale, with the mean over the axes from `axis` on.
struct RMSNormalization: Operator {
  static let schema = Schema(
    "RMSNormalization", since: 23, inputs: ["X: T", "scale: V"], outputs: ["Y: V"],
    types: ["T": .floats, "V": .floats],
    attributes: ["axis": .int(-1), "epsilon": .float(1e-5), "stash_type": .int(1)])
  let axis: Int
  let epsilon: Double

  init(_ attributes: Attributes) throws {
    axis = try attributes.required("axis", attributes.int("axis"))
    epsilon = try attributes.real("epsilon")
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let shape = try inputs.shape(0)
    if let shape {
      _ = try InferenceInputs.axis(axis, rank: shape.count)
      try RowScale.check("scale", inputs.shape(1), shape)
    }
    return [TensorType(try inputs.dtype(1), shape)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let scale = inputs[1], let y = outputs[0] else { return }
    try RowScale.normalize(
      x.converted(to: y.dtype), y, axis: InferenceInputs.axis(axis, rank: x.rank), epsilon: epsilon,
      centered: false, scale: scale, bias: nil, context.pool)
  }
}
