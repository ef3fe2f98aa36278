import GraphIR

extension InferenceInputs {
  /// The inputs at these positions, as doubles: what an operator on floats is asked about.
  fileprivate func asFloats(_ positions: [Int]) throws -> InferenceInputs {
    InferenceInputs(try positions.map { TensorType(.float64, try shape($0)) })
  }
}

/// Writes whole numbers as int32, wrapping.
private func store(_ sums: Tensor, _ y: Tensor) {
  let (from, to) = (sums.pointer(as: Double.self), y.pointer(as: Int32.self))
  for index in 0..<y.count { to[index] = Int32(truncatingIfNeeded: Int64(saturating: from[index])) }
}

/// Y = (A − a_zero_point) · (B − b_zero_point) in int32; zero points for all, for A's rows or for B's columns.
struct MatMulInteger: Operator {
  static let schema = Schema(
    "MatMulInteger", since: 10, inputs: ["A: T1", "B: T2", "a_zero_point?: T1", "b_zero_point?: T2"],
    outputs: ["Y"], types: ["T1": .bytes, "T2": .bytes])
  private let product: MatMul

  init(_ attributes: Attributes) throws { product = try MatMul(attributes) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    [TensorType(.int32, try product.infer(inputs.asFloats([0, 1]))[0].shape)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let a = inputs[0], let b = inputs[1], let y = outputs[0] else { return }
    let left = try Quantization.centred(a, inputs.count > 2 ? inputs[2] : nil, axis: max(a.rank - 2, 0))
    let right = try Quantization.centred(b, inputs.count > 3 ? inputs[3] : nil, axis: b.rank - 1)
    if let sums = try product.runAllocating([left, right], outputCount: 1, pool: context.pool)[0] {
      store(sums, y)
    }
  }

  func multiplyAdds(_ inputs: [TensorType?], _ outputs: [TensorType]) -> Int {
    product.multiplyAdds(inputs, outputs)
  }
}

/// y = Conv(x − x_zero_point, w − w_zero_point) in int32; padding is x's zero point.
struct ConvInteger: Operator {
  static let schema = Schema(
    "ConvInteger", since: 10, inputs: ["x: T1", "w: T2", "x_zero_point?: T1", "w_zero_point?: T2"],
    outputs: ["y"], types: ["T1": .bytes, "T2": .bytes], attributes: Conv.schema.attributes)
  private let convolution: Conv

  init(_ attributes: Attributes) throws { convolution = try Conv(attributes) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    [TensorType(.int32, try convolution.infer(inputs.asFloats([0, 1]))[0].shape)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let w = inputs[1], let y = outputs[0] else { return }
    let image = try Quantization.centred(x, inputs.count > 2 ? inputs[2] : nil, axis: 1)
    let weight = try Quantization.centred(w, inputs.count > 3 ? inputs[3] : nil, axis: 0)
    if let sums = try convolution.runAllocating([image, weight], outputCount: 1, pool: context.pool)[0] {
      store(sums, y)
    }
  }

  func multiplyAdds(_ inputs: [TensorType?], _ outputs: [TensorType]) -> Int {
    convolution.multiplyAdds(inputs, outputs)
  }
}

/// y = quantized a · b, where each of the three has a scale and a zero point.
struct QLinearMatMul: Operator {
  static let schema = Schema(
    "QLinearMatMul", since: 21,
    inputs: [
      "a: T1", "a_scale: TS", "a_zero_point: T1", "b: T2", "b_scale: TS", "b_zero_point: T2",
      "y_scale: TS", "y_zero_point: T3",
    ],
    outputs: ["y: T3"],
    types: ["TS": [.float32, .float16, .bfloat16], "T1": .bytes, "T2": .bytes, "T3": .bytes])
  static let runsHalf = true
  private let product: MatMul

  init(_ attributes: Attributes) throws { product = try MatMul(attributes) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    [TensorType(try inputs.dtype(7), try product.infer(inputs.asFloats([0, 3]))[0].shape)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let a = inputs[0], let b = inputs[3], let y = outputs[0] else { return }
    let left = try Quantization.centred(a, inputs[2], axis: max(a.rank - 2, 0))
    let right = try Quantization.centred(b, inputs[5], axis: b.rank - 1)
    guard let sums = try product.runAllocating([left, right], outputCount: 1, pool: context.pool)[0] else {
      return
    }
    try Requantization(inputs, left: 1, right: 4, output: 6).run(sums, y, axis: y.rank - 1)
  }

  func multiplyAdds(_ inputs: [TensorType?], _ outputs: [TensorType]) -> Int {
    product.multiplyAdds(inputs, outputs)
  }
}

/// y = quantized Conv(x, w) + B, where x, w and y have scales and zero points, w perhaps one for each output channel;
/// B is in units of x_scale · w_scale.
struct QLinearConv: Operator {
  static let schema = Schema(
    "QLinearConv", since: 10,
    inputs: [
      "x: T1", "x_scale: TS", "x_zero_point: T1", "w: T2", "w_scale: TS", "w_zero_point: T2",
      "y_scale: TS", "y_zero_point: T3", "B?: T4",
    ],
    outputs: ["y: T3"],
    types: ["TS": [.float32], "T1": .bytes, "T2": .bytes, "T3": .bytes, "T4": [.int32]],
    attributes: Conv.schema.attributes)
  private let convolution: Conv

  init(_ attributes: Attributes) throws { convolution = try Conv(attributes) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let positions = inputs.has(8) ? [0, 3, 8] : [0, 3]
    return [TensorType(try inputs.dtype(7), try convolution.infer(inputs.asFloats(positions))[0].shape)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let w = inputs[3], let y = outputs[0] else { return }
    var given: [Tensor?] = [
      try Quantization.centred(x, inputs[2], axis: 1), try Quantization.centred(w, inputs[5], axis: 0),
    ]
    if inputs.count > 8, let bias = inputs[8] { given.append(bias.converted(to: .float64)) }
    guard let sums = try convolution.runAllocating(given, outputCount: 1, pool: context.pool)[0] else {
      return
    }
    try Requantization(inputs, left: 1, right: 4, output: 6).run(sums, y, axis: 1)
  }

  func multiplyAdds(_ inputs: [TensorType?], _ outputs: [TensorType]) -> Int {
    convolution.multiplyAdds([inputs[0], inputs[3]], outputs)
  }
}

/// From sums of products back to bytes: round(sum · left · right / output) + zero point.
private struct Requantization {
  let factors: [Float]
  let zero: Float

  /// - Parameters: positions of the scales; the output's zero point is behind its scale.
  init(_ inputs: [Tensor?], left: Int, right: Int, output: Int) throws {
    func scales(_ position: Int) throws -> [Float] {
      guard let tensor = inputs[position], tensor.count > 0 else { throw DataError("a scale is missing") }
      return Quantization.floats(tensor)
    }
    let (a, b, y) = (try scales(left), try scales(right), try scales(output))
    guard a.count == 1, y.count == 1 else {
      throw DataError("the first operand and the result have one scale each, not \(a.count) and \(y.count)")
    }
    factors = b.map { a[0] * $0 / y[0] }
    zero = try scales(output + 1)[0]
  }

  func run(_ sums: Tensor, _ y: Tensor, axis: Int) throws {
    let write = try Quantization.writer(y)
    let values = sums.pointer(as: Double.self)
    let inner = factors.count == 1 ? 1 : Shape.count(Array(y.shape[(axis + 1)...]))
    guard factors.count == 1 || axis >= 0 && factors.count == y.shape[axis] else {
      throw DataError("\(factors.count) scales do not fit \(Shape.text(y.shape))")
    }
    for index in 0..<y.count {
      let factor = factors[index / inner % factors.count]
      write((Float(values[index]) * factor).rounded(.toNearestOrEven) + zero, index)
    }
  }
}
