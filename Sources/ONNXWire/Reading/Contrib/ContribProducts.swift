import GraphIR

extension ContribExpansion {
  static let products: [String: Body] = [
    "FusedMatMul": matMul, "TransposeMatMul": matMul,
    "FusedGemm": { call in
      try call.require(inputs: 3)
      let y = call.g.emit(
        "Gemm", [try call.input(0), try call.input(1), call.optional(2)],
        call.attributes("alpha", "beta", "transA", "transB"))[0]
      let numbers = try ["activation_alpha", "activation_beta", "activation_gamma"].compactMap(call.float)
      return [try activated(y, call, numbers)]
    },
    "FusedConv": { call in
      try call.require(inputs: 4)
      var numbers: [Float] = []
      if case .floats(let list)? = call.node.attributes["activation_params"] { numbers = list }
      let y = try call.sum(convolution(call, try call.input(0), try call.input(1)), call.optional(3))
      return [try activated(y, call, numbers)]
    },
    // Weights are [M, kH, kW, C / group] here.
    "NhwcConv": { call in
      try call.require(inputs: 3)
      let inward = [0, 3, 1, 2]
      let y = try convolution(
        call, call.transpose(try call.input(0), inward), call.transpose(try call.input(1), inward))
      return [call.transpose(y, [0, 2, 3, 1])]
    },
  ]

  private static func convolution(_ call: ContribCall, _ x: Value, _ w: Value) throws -> Value {
    call.g.emit(
      "Conv", [x, w, call.optional(2)],
      call.attributes("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"))[0]
  }

  /// alpha · A′ · B′. Einsum transposes whatever the rank is.
  @Sendable private static func matMul(_ call: ContribCall) throws -> [Value?] {
    try call.require(inputs: 2)
    let g = call.g
    func operand(_ position: Int, _ letter: String) throws -> Value {
      let x = try call.input(position)
      // First the leading axis moves next to the last one, then the last two are swapped.
      let equation: String
      switch (try call.flag("transBatch" + letter), try call.flag("trans" + letter)) {
      case (false, false): return x
      case (false, true): equation = "...ij->...ji"
      case (true, false): equation = "i...j->...ij"
      case (true, true): equation = "i...j->...ji"
      }
      return g.Einsum(x, attributes: ["equation": .string(equation)])
    }
    let (a, b) = (try operand(0, "A"), try operand(1, "B"))
    let product = g.MatMul(a, b)
    guard let alpha = try call.float("alpha"), alpha != 1 else { return [product] }
    return [g.Mul(product, call.number(alpha, like: product))]
  }
}
