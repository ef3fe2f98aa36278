import GraphIR

/// Operators on bytes that ONNX Runtime's quantizer writes: dequantized, computed in floats and quantized again.
extension ContribExpansion {
  static let quantized: [String: Body] = [
    "QLinearAdd": { call in try binary("Add", call) },
    "QLinearMul": { call in try binary("Mul", call) },
    "QLinearSigmoid": { call in try unary("Sigmoid", call) },
    "QLinearLeakyRelu": { call in try unary("LeakyRelu", call, call.attributes("alpha")) },
    "QLinearSoftmax": { call in
      guard try call.int("opset") ?? 13 >= 13 else {
        throw DataError("its form before opset 13 is not supported")
      }
      return try unary("Softmax", call, ["axis": .int(call.int("axis") ?? -1)])
    },
    "QLinearAveragePool": { call in
      try pool(
        "AveragePool", call,
        call.attributes("auto_pad", "ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides"))
    },
    "QLinearGlobalAveragePool": { call in try pool("GlobalAveragePool", call, [:]) },
    "QLinearConcat": { call in
      guard call.node.inputs.count >= 5, call.node.inputs.count % 3 == 2 else {
        throw DataError("has \(call.node.inputs.count) inputs")
      }
      let parts = try stride(from: 2, to: call.node.inputs.count, by: 3).map { try dequantized(call, $0) }
      return [try quantized(call.g.emit("Concat", parts, call.attributes("axis"))[0], call, 0)]
    },
    "QGemm": gemm,
    "MatMulIntegerToFloat": { call in
      try call.require(inputs: 7)
      return [
        try scaled(
          call, try call.input(0), try call.input(1), call.optional(4), call.optional(5),
          call.g.Mul(try call.input(2), try call.input(3)), bias: 6)
      ]
    },
    "DynamicQuantizeMatMul": { call in
      try call.require(inputs: 5)
      let bytes = call.g.emit("DynamicQuantizeLinear", [try call.input(0)], outputs: 3)
      return [
        try scaled(
          call, bytes[0], try call.input(1), bytes[2], call.optional(3),
          call.g.Mul(bytes[1], try call.input(2)),
          bias: 4)
      ]
    },
  ]

  /// The floats of a value, whose scale and zero point follow it.
  private static func dequantized(_ call: ContribCall, _ position: Int) throws -> Value {
    call.g.emit(
      "DequantizeLinear",
      [try call.input(position), try call.input(position + 1), call.optional(position + 2)])[0]
  }

  /// The bytes of floats, with the scale and zero point at a position.
  private static func quantized(_ x: Value, _ call: ContribCall, _ position: Int) throws -> Value {
    call.g.emit("QuantizeLinear", [x, try call.input(position), call.optional(position + 1)])[0]
  }

  private static func unary(
    _ op: String, _ call: ContribCall, _ attributes: [String: Attribute] = [:]
  ) throws -> [Value?] {
    try call.require(inputs: 5)
    return [try quantized(call.g.emit(op, [dequantized(call, 0)], attributes)[0], call, 3)]
  }

  private static func binary(_ op: String, _ call: ContribCall) throws -> [Value?] {
    try call.require(inputs: 8)
    return [try quantized(call.g.emit(op, [dequantized(call, 0), dequantized(call, 3)])[0], call, 6)]
  }

  private static func pool(
    _ op: String, _ call: ContribCall, _ attributes: [String: Attribute]
  ) throws -> [Value?] {
    guard try !call.flag("channels_last") else { throw DataError("channels_last is not supported") }
    return try unary(op, call, attributes)
  }

  /// alpha · A′ · B′ + C, where C is in units of alpha · a_scale · b_scale; quantized if a scale is given.
  @Sendable private static func gemm(_ call: ContribCall) throws -> [Value?] {
    try call.require(inputs: 9)
    let g = call.g
    let alpha = try call.float("alpha") ?? 1
    let (transposeA, transposeB) = (try call.flag("transA"), try call.flag("transB"))
    let left = g.emit("DequantizeLinear", [try call.input(0), try call.input(1), call.optional(2)])[0]
    // Scales of B belong to its columns.
    let right = g.emit(
      "DequantizeLinear", [try call.input(3), try call.input(4), call.optional(5)],
      ["axis": .int(transposeB ? 0 : 1)])[0]
    var y = g.emit(
      "Gemm", [left, right],
      ["alpha": .float(alpha), "transA": .int(transposeA ? 1 : 0), "transB": .int(transposeB ? 1 : 0)])[0]
    if let c = call.optional(6) {
      let unit = g.Mul(
        g.Mul(try call.input(1), try call.input(4)), call.number(alpha, like: try call.input(1)))
      y = g.Add(y, g.Mul(g.CastLike(c, unit), unit))
    }
    return [call.optional(7) == nil ? y : try quantized(y, call, 7)]
  }

  /// The integer product of bytes times a scale, plus a bias.
  private static func scaled(
    _ call: ContribCall, _ a: Value, _ b: Value, _ zeroA: Value?, _ zeroB: Value?, _ scale: Value, bias: Int
  ) throws -> Value {
    let sums = call.g.emit("MatMulInteger", [a, b, zeroA, zeroB])[0]
    return try call.sum(call.g.Mul(call.g.CastLike(sums, scale), scale), call.optional(bias))
  }
}
