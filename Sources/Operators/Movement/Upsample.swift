import GraphIR

/// The input scaled up along its axes: Resize's ancestor, last in opset 9.
struct Upsample: Operator {
  static let schema = Schema(
    "Upsample", since: 9, inputs: ["X: T", "scales[1]?9: S"], outputs: ["Y: T"],
    types: ["T": .all, "S": [.float32]], attributes: ["mode": .string("nearest"), "scales": .none])
  static let runsHalf = true
  let method: ResizeMethod
  let scales: [Double]?

  init(_ attributes: Attributes) throws {
    var method = ResizeMethod()
    method.mode = try attributes.string("mode") == "bilinear" ? .linear : Resize.choice(attributes, "mode")
    guard method.mode != .cubic else { throw DataError("mode 'cubic' is not supported") }
    self.method = method
    try attributes.old("scales", before: 9)
    scales = try attributes.floats("scales")?.map { Double($0) }
    guard scales != nil || attributes.inputCount > 1 else { throw DataError("scales are missing") }
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let data = try inputs.type(0)
    guard let shape = data.shape else { return [TensorType(data.dtype, nil)] }
    guard let scales = scales ?? inputs.constant(1)?.doubles() else {
      return [TensorType(data.dtype, Movement.unknown(shape.count))]
    }
    try Resize.check(scales, shape.count)
    let result = try zip(shape, scales).map { extent, scale -> Dim in
      guard let value = extent.value else { return scale == 1 ? extent : .unknown }
      return .known(try Resize.scaled(value, scale))
    }
    return [try Movement.limited(data.dtype, result)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    let x = try Movement.input(inputs, 0)
    let scales = try self.scales ?? Movement.input(inputs, 1).doubles()
    try Resize.check(scales, x.rank)
    let axes = x.shape.indices.map {
      ResizeAxis(method: method, input: x.shape[$0], output: y.shape[$0], scale: scales[$0])
    }
    try Resizer(method: method, axes: axes).run(x, y, context.pool)
  }
}
