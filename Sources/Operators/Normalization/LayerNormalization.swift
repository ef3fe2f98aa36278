import GraphIR

/// Y = (X - mean) / √(variance + epsilon) · Scale + B, with statistics over the axes from `axis` on.
/// Mean and InvStdDev are the statistics, 1 along those axes.
struct LayerNormalization: Operator {
  static let schema = Schema(
    "LayerNormalization", since: 17, inputs: ["X: T", "Scale: T", "B?: T"],
    outputs: ["Y: T", "Mean?: U", "InvStdDev?: U"], types: ["T": .floats],
    attributes: ["axis": .int(-1), "epsilon": .float(1e-5), "stash_type": .int(1)])
  let axis: Int
  let epsilon: Double
  let stash: DType

  init(_ attributes: Attributes) throws {
    axis = try attributes.required("axis", attributes.int("axis"))
    epsilon = try attributes.real("epsilon")
    let code = try attributes.required("stash_type", attributes.int("stash_type"))
    guard let dtype = Int32(exactly: code).flatMap(DType.init(rawValue:)), dtype.isFloat else {
      throw DataError("stash_type \(code) is not a float type")
    }
    stash = dtype
  }

  var aliasing: Aliasing { .inPlace([0]) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let type = try inputs.type(0)
    let dtype = type.dtype == .float64 ? .float64 : stash
    guard let shape = type.shape else {
      let statistics = TensorType(dtype, nil as [Dim]?)
      return [type, statistics, statistics]
    }
    let at = try InferenceInputs.axis(axis, rank: shape.count)
    try RowScale.check("Scale", inputs.shape(1), shape)
    if inputs.has(2) { try RowScale.check("B", inputs.shape(2), shape) }
    let statistics = TensorType(dtype, shape[..<at] + shape[at...].map { _ in Dim.known(1) })
    return [type, statistics, statistics]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let scale = inputs[1] else { return }
    // The statistics alone can be wanted.
    let y = outputs[0] ?? Tensor(x.dtype, x.shape)
    try RowScale.normalize(
      x, y, axis: InferenceInputs.axis(axis, rank: x.rank), epsilon: epsilon, centered: true,
      scale: scale, bias: inputs.count > 2 ? inputs[2] : nil,
      means: outputs.count > 1 ? outputs[1] : nil, inverses: outputs.count > 2 ? outputs[2] : nil,
      context.pool)
  }
}
