import GraphIR

extension ContribExpansion {
  static let attentions: [String: Body] = ["MultiHeadAttention": multiHeadAttention, "Attention": attention]

  /// Attention on projected queries, keys and values: `[batch, length, heads · size]` each, or keys with
  /// values, or all three, packed as `[batch, length, heads, 2 or 3, size]`.
  @Sendable private static func multiHeadAttention(_ call: ContribCall) throws -> [Value?] {
    try call.require(inputs: 8, outputs: 3)
    let g = call.g
    let heads = try headCount(call)
    var (q, k, v) = (try call.input(0), call.optional(1), call.optional(2))
    if let key = k, let value = v {
      let biased = try biased(call, [q, key, value])
      (q, k, v) = (
        separated(call, biased[0], heads), separated(call, biased[1], heads),
        separated(call, biased[2], heads)
      )
    } else {
      if call.optional(3) != nil { throw DataError("a bias of packed inputs is not supported") }
      func part(_ x: Value, _ place: Int) -> Value {
        call.transpose(
          g.Gather(x, g.constant(Tensor(scalar: Int64(place))), attributes: ["axis": .int(3)]), [0, 2, 1, 3])
      }
      if let key = k {
        (q, k, v) = (separated(call, q, heads), part(key, 0), part(key, 1))
      } else {
        (k, v) = (part(q, 1), part(q, 2))
        q = part(q, 0)
      }
    }
    return try attend(
      call, q, k!, v!, mask: call.optional(4), bias: call.optional(5),
      past: (call.optional(6), call.optional(7)))
  }

  /// Attention with the projection of its inputs, whose weights stand side by side.
  @Sendable private static func attention(_ call: ContribCall) throws -> [Value?] {
    let g = call.g
    if call.optional(4) != nil { throw DataError("a past state is not supported") }
    if try call.flag("do_rotary") { throw DataError("do_rotary is not supported") }
    try call.require(inputs: 6)
    let heads = try headCount(call)
    let joined = try call.sum(g.MatMul(try call.input(0), try call.input(1)), call.optional(2))
    var parts: [Value]
    if case .ints(let sizes)? = call.node.attributes["qkv_hidden_sizes"] {
      guard sizes.count == 3, sizes.allSatisfy({ $0 > 0 && $0 <= Int(Int32.max) }) else {
        throw DataError("qkv_hidden_sizes is \(sizes)")
      }
      var start = 0
      parts = sizes.map { size in
        defer { start += size }
        let part = g.Slice(joined, g.ints([start]), g.ints([start + size]), g.ints([-1]))
        return separated(call, part, heads)
      }
    } else {
      let apart = g.Reshape(joined, g.ints([0, 0, 3, heads, -1]))
      parts = (0..<3).map { place in
        let index = g.constant(Tensor(scalar: Int64(place)))
        return call.transpose(g.Gather(apart, index, attributes: ["axis": .int(2)]), [0, 2, 1, 3])
      }
    }
    return try attend(
      call, parts[0], parts[1], parts[2], mask: call.optional(3), bias: call.optional(5), past: (nil, nil))
  }

  private static func headCount(_ call: ContribCall) throws -> Int {
    guard let heads = try call.int("num_heads"), heads > 0, heads <= Int(Int32.max) else {
      throw DataError("attribute 'num_heads' is missing or not positive")
    }
    return heads
  }

  /// `[batch, length, heads · size]` as `[batch, heads, length, size]`.
  private static func separated(_ call: ContribCall, _ x: Value, _ heads: Int) -> Value {
    call.transpose(call.g.Reshape(x, call.g.ints([0, 0, heads, -1])), [0, 2, 1, 3])
  }

  /// Queries, keys and values with their parts of the bias.
  private static func biased(_ call: ContribCall, _ values: [Value]) throws -> [Value] {
    guard let bias = call.optional(3) else { return values }
    let g = call.g
    var start = g.ints([0])
    return values.map { value in
      let end = g.Add(start, call.slice(g.Shape(value), -1, nil))
      defer { start = end }
      return g.Add(value, g.Slice(bias, start, end, g.ints([0])))
    }
  }

  /// The attention itself on `[batch, heads, length, size]`, and the heads side by side again.
  private static func attend(
    _ call: ContribCall, _ q: Value, _ k: Value, _ v: Value, mask: Value?, bias: Value?,
    past: (key: Value?, value: Value?)
  ) throws -> [Value?] {
    let g = call.g
    var added = bias
    if let mask { added = try call.sum(bias, additive(call, mask, k)) }
    var attributes: [String: Attribute] = [:]
    if let scale = try call.float("scale"), scale != 0 { attributes["scale"] = .float(scale) }
    if try call.flag("unidirectional") { attributes["is_causal"] = .int(1) }
    let state: [Value?] = past.key == nil && past.value == nil ? [] : [past.key, past.value]
    let count = call.wants(2) ? 3 : call.wants(1) ? 2 : 1
    let outputs = g.emit("Attention", domain: "dsd", [q, k, v, added] + state, attributes, outputs: count)
    let y = g.Reshape(call.transpose(outputs[0], [0, 2, 1, 3]), g.ints([0, 0, -1]))
    return [y] + outputs.dropFirst().map { $0 }
  }

  /// 0 where a key is seen and `mask_filter_value` elsewhere, with four axes. A mask of rank 1 holds the number
  /// of keys of each batch element, one of rank 2 or 3 says which keys are seen.
  private static func additive(_ call: ContribCall, _ mask: Value, _ k: Value) throws -> Value {
    let g = call.g
    func number(_ value: Int64) -> Value { g.constant(Tensor(scalar: value)) }
    let shape = g.Shape(mask)
    let rank = g.Shape(shape)
    let ones = g.Slice(g.ints([1, 1, 1]), g.ints([0]), g.Sub(g.ints([4]), rank), g.ints([0]))
    let full = g.Reshape(
      g.Cast(mask, attributes: ["to": .int(7)]),
      call.concat([call.slice(shape, 0, 1), ones, call.slice(shape, 1, nil)]))
    let keys = g.Range(number(0), g.Gather(g.Shape(k), number(2)), number(1))
    let seen = g.Where(g.Equal(rank, g.ints([1])), g.Less(keys, full), g.Greater(full, number(0)))
    let hidden = try call.float("mask_filter_value") ?? -10000
    return g.Where(seen, call.number(0, like: k), call.number(hidden, like: k))
  }
}
