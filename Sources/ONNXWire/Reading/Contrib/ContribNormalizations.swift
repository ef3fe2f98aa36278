import GraphIR

extension ContribExpansion {
  static let normalizations: [String: Body] = [
    "SkipLayerNormalization": { call in
      try call.require(inputs: 5, outputs: 4)
      let sum = try call.sum(try call.input(0), try call.input(1), call.optional(4))
      return try layerNormalization(call, sum, call.input(2), call.optional(3)) + [sum]
    },
    "SkipSimplifiedLayerNormalization": { call in
      try call.require(inputs: 4, outputs: 4)
      let sum = try call.sum(try call.input(0), try call.input(1), call.optional(3))
      let epsilon: Attribute = .float(try call.float("epsilon") ?? 1e-12)
      return [
        call.g.RMSNormalization(sum, try call.input(2), attributes: ["epsilon": epsilon]), nil, nil, sum,
      ]
    },
    "SimplifiedLayerNormalization": { call in
      try call.require(inputs: 2)
      return [
        call.g.RMSNormalization(
          try call.input(0), try call.input(1), attributes: call.attributes("axis", "epsilon", "stash_type"))
      ]
    },
    "EmbedLayerNormalization": embedLayerNormalization,
    "GroupNorm": { call in
      try call.require(inputs: 3)
      return [try groupNorm(call, try call.input(0))]
    },
    "SkipGroupNorm": { call in
      try call.require(inputs: 5, outputs: 2)
      let x = try call.input(0)
      let sum = try call.sum(x, skip(call, try call.input(3)), channelBias(call))
      return [try groupNorm(call, sum), sum]
    },
  ]

  private static func layerNormalization(
    _ call: ContribCall, _ x: Value, _ scale: Value, _ bias: Value?
  ) throws -> [Value?] {
    let statistics = [call.wants(1), call.wants(2)]
    let outputs = call.g.emit(
      "LayerNormalization", [x, scale, bias], ["epsilon": .float(try call.float("epsilon") ?? 1e-12)],
      outputs: statistics[1] ? 3 : statistics[0] ? 2 : 1)
    return (0..<3).map { $0 < outputs.count ? outputs[$0] : nil }
  }

  /// Normalised groups of channels, which are the last axis unless `channels_last` is 0, then SiLU if asked.
  private static func groupNorm(_ call: ContribCall, _ x: Value) throws -> Value {
    guard let groups = try call.int("groups") else { throw DataError("attribute 'groups' is missing") }
    let isLast = try call.flag("channels_last", default: true)
    let g = call.g
    let own = isLast ? call.transpose(x, [0, 3, 1, 2]) : x
    // Scale and shift may be wider than the image.
    var y = g.emit(
      "GroupNormalization", domain: "dsd",
      [own, g.CastLike(try call.input(1), x), g.CastLike(try call.input(2), x)],
      ["num_groups": .int(groups), "epsilon": .float(try call.float("epsilon") ?? 1e-5)])[0]
    if try call.flag("activation") { y = g.Mul(y, g.Sigmoid(y)) }
    return isLast ? call.transpose(y, [0, 2, 3, 1]) : y
  }

  /// The second summand of SkipGroupNorm, which may be `[batch, channels]`, with all four axes.
  private static func skip(_ call: ContribCall, _ x: Value) throws -> Value {
    let g = call.g
    let shape = g.Shape(x)
    let ones = g.ints([1, 1])
    if try !call.flag("channels_last", default: true) {
      return g.Reshape(x, call.slice(call.concat([shape, ones]), 0, 4))
    }
    let lead = call.slice(call.concat([call.slice(shape, 0, -1), ones]), 0, 3)
    return g.Reshape(x, call.concat([lead, call.slice(shape, -1, nil)]))
  }

  private static func channelBias(_ call: ContribCall) throws -> Value? {
    guard let bias = call.optional(4) else { return nil }
    let isLast = try call.flag("channels_last", default: true)
    return isLast ? bias : call.g.Reshape(bias, call.g.ints([-1, 1, 1]))
  }

  /// Embeddings of words, positions and segments, added and normalised. The second output counts what the
  /// mask keeps of each row; without a mask it is 0.
  private static func embedLayerNormalization(_ call: ContribCall) throws -> [Value?] {
    try call.require(inputs: 9, outputs: 3)
    let g = call.g
    let ids = try call.input(0)
    let positions =
      call.optional(8)
      ?? g.Range(
        g.constant(Tensor(scalar: Int64(0))), g.Gather(g.Shape(ids), g.constant(Tensor(scalar: Int64(1)))),
        g.constant(Tensor(scalar: Int64(1))))
    var segments: Value?
    if let table = call.optional(4) { segments = g.Gather(table, try call.input(1)) }
    let sum = try call.sum(
      g.Gather(try call.input(2), ids), g.Gather(try call.input(3), positions), segments)
    let scale = try call.input(5)
    let y = g.LayerNormalization(
      sum, scale, try call.input(6), attributes: ["epsilon": .float(try call.float("epsilon") ?? 1e-12)])
    let counts =
      call.optional(7).map { g.Einsum($0, attributes: ["equation": .string("bs->b")]) }
      ?? g.ConstantOfShape(
        call.slice(g.Shape(ids), 0, 1),
        attributes: ["value": .tensor(Tensor([Int32(0)], shape: [1]))])
    return [y, counts, sum]
  }
}
