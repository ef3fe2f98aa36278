import GraphIR

extension ContribExpansion {
  static let activations: [String: Body] = [
    "Gelu": { call in
      try call.require(inputs: 1)
      return [call.g.Gelu(try call.input(0))]
    },
    "BiasGelu": { call in
      try call.require(inputs: 2)
      return [call.g.Gelu(call.g.Add(try call.input(0), try call.input(1)))]
    },
    "FastGelu": { call in
      try call.require(inputs: 2)
      let x = try call.sum(try call.input(0), call.optional(1))
      return [call.g.Gelu(x, attributes: ["approximate": .string("tanh")])]
    },
    "QuickGelu": { call in
      try call.require(inputs: 1)
      let alpha = try call.float("alpha") ?? 1.702
      return call.g.emit("Swish", domain: "dsd", [try call.input(0)], ["alpha": .float(alpha)])
    },
    // The right half of the columns, through Gelu, gates the left.
    "BiasSplitGelu": { call in
      try call.require(inputs: 2)
      let sum = call.g.Add(try call.input(0), try call.input(1))
      let halves = call.g.emit("Split", [sum], ["axis": .int(-1)], outputs: 2)
      return [call.g.Mul(halves[0], call.g.Gelu(halves[1]))]
    },
    "BiasAdd": { call in
      try call.require(inputs: 3)
      return [try call.sum(try call.input(0), try call.input(1), try call.input(2))]
    },
  ]

  /// The activation that convolutions and products carry, by its name in `activation`.
  /// - Parameter numbers: what the activation's attributes are, in the order in which it lists them.
  static func activated(_ x: Value, _ call: ContribCall, _ numbers: [Float]) throws -> Value {
    guard let attribute = call.node.attributes["activation"] else { return x }
    guard case .string(let name) = attribute else {
      throw DataError("attribute 'activation' is \(attribute.kind)")
    }
    let g = call.g
    func number(_ position: Int, _ value: Float) -> Attribute {
      .float(position < numbers.count ? numbers[position] : value)
    }
    switch name {
    case "": return x
    case "Relu": return g.Relu(x)
    case "Tanh": return g.Tanh(x)
    case "Sigmoid": return g.Sigmoid(x)
    case "LeakyRelu": return g.LeakyRelu(x, attributes: ["alpha": number(0, 0.01)])
    case "HardSigmoid":
      return g.HardSigmoid(x, attributes: ["alpha": number(0, 0.2), "beta": number(1, 0.5)])
    case "Clip":
      guard numbers.count == 2 else { throw DataError("Clip has \(numbers.count) bounds, not 2") }
      return g.Min(g.Max(x, call.number(numbers[0], like: x)), call.number(numbers[1], like: x))
    default: throw DataError("the activation '\(name)' is not supported")
    }
  }
}
