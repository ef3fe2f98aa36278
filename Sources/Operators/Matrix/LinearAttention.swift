import GraphIR

#if canImport(Glibc)
  import Glibc
#endif

/// Attention with a state of fixed size in place of past keys and values. `query` is `[batch, steps, heads · d_k]`,
/// `key` and `value` have `kv_num_heads` heads, each with a state `[d_k, d_v]` that several query heads may read.
///
/// Each step scales the state by e^decay (rules `gated`, `gated_delta`), adds k ⊗ v, where the delta rules put
/// beta · (v − stateᵀ k) in place of v, and reads scale · stateᵀ q.
struct LinearAttention: Operator {
  static let schema = Schema(
    "LinearAttention", since: 27,
    inputs: ["query: T", "key: T", "value: T", "past_state?: S", "decay?: T", "beta?: T"],
    outputs: ["output: T", "present_state: S"],
    types: ["T": [.float16, .bfloat16, .float32], "S": [.float16, .bfloat16, .float32]],
    attributes: [
      "chunk_size": .int(64), "kv_num_heads": .none, "q_num_heads": .none, "scale": .float(0),
      "update_rule": .string("gated_delta"),
    ])
  let heads: Int
  let stateHeads: Int
  let scale: Float
  let decays: Bool
  let corrects: Bool

  init(_ attributes: Attributes) throws {
    heads = try attributes.required("q_num_heads", attributes.int("q_num_heads"))
    stateHeads = try attributes.required("kv_num_heads", attributes.int("kv_num_heads"))
    guard stateHeads > 0, heads > 0, heads % stateHeads == 0 else {
      throw DataError("q_num_heads \(heads) is not a multiple of kv_num_heads \(stateHeads)")
    }
    scale = try attributes.float("scale") ?? 0
    let rule = try attributes.string("update_rule") ?? "gated_delta"
    guard ["linear", "gated", "delta", "gated_delta"].contains(rule) else {
      throw DataError("update_rule '\(rule)' is not known")
    }
    decays = rule.hasPrefix("gated")
    corrects = rule.hasSuffix("delta")
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let query = try inputs.type(0)
    for (position, name, needed) in [(4, "decay", decays), (5, "beta", corrects)]
    where inputs.has(position) != needed {
      throw DataError("'\(name)' is \(needed ? "missing" : "given"), which does not fit the update rule")
    }
    func width(_ position: Int, _ heads: Int) throws -> Dim {
      guard let shape = try inputs.shape(position) else { return .unknown }
      guard shape.count == 3, shape[2].value.map({ $0 % heads == 0 }) ?? true else {
        throw DataError(
          "input \(position) is \(try inputs.type(position)), not [batch, steps, \(heads) · size]")
      }
      return shape[2].map { $0 / heads }
    }
    let (size, keySize) = (try width(0, heads), try width(1, stateHeads))
    let valueSize = try width(2, stateHeads)
    guard size.agrees(with: keySize) else {
      throw DataError("heads have \(size) numbers in the query, \(keySize) in the key")
    }
    let (batch, steps) = (query.shape?[0] ?? .unknown, query.shape?[1] ?? .unknown)
    let widths: [(Int, [Dim])] = [
      (1, [Dim.known(stateHeads) * size]), (2, [Dim.known(stateHeads) * valueSize]),
      (4, [.known(stateHeads), Dim.known(stateHeads) * size]), (5, [.known(stateHeads), 1]),
    ]
    for (position, allowed) in widths where inputs.has(position) {
      guard let shape = try inputs.shape(position) else { continue }
      guard shape.count == 3, shape[0].agrees(with: batch), shape[1].agrees(with: steps),
        allowed.contains(where: { shape[2].agrees(with: $0) })
      else { throw DataError("input \(position) is \(try inputs.type(position)), query \(query)") }
    }
    let state = TensorType(
      inputs.has(3) ? try inputs.dtype(3) : query.dtype, [batch, .known(stateHeads), size, valueSize])
    if inputs.has(3), !state.agrees(with: try inputs.type(3)) {
      throw DataError("past_state is \(try inputs.type(3)), not \(state)")
    }
    return [TensorType(query.dtype, [batch, steps, Dim.known(heads) * valueSize]), state]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let query = inputs[0], let key = inputs[1], let value = inputs[2] else { return }
    func floats(_ position: Int) -> UnsafePointer<Float>? {
      Movement.optional(inputs, position).map { UnsafePointer($0.pointer(as: Float.self)) }
    }
    func width(_ position: Int) -> Int { Movement.optional(inputs, position)?.shape[2] ?? 0 }
    let (batch, steps) = (query.shape[0], query.shape[1])
    let (size, valueSize) = (query.shape[2] / heads, value.shape[2] / stateHeads)
    let (q, k, v) = (
      query.pointer(as: Float.self), key.pointer(as: Float.self), value.pointer(as: Float.self)
    )
    let (past, decay, beta) = (floats(3), floats(4), floats(5))
    let (decayWidth, betaWidth) = (width(4), width(5))
    let output = outputs[0]?.pointer(as: Float.self)
    let present = (outputs.count > 1 ? outputs[1] : nil)?.pointer(as: Float.self)
    let group = heads / stateHeads
    let factor = scale == 0 ? 1 / Float(size).squareRoot() : scale
    context.pool.forEach(batch * stateHeads) { item in
      let (image, head) = (item / stateHeads, item % stateHeads)
      var state = [Float](repeating: 0, count: size * valueSize)
      if let past { for i in state.indices { state[i] = past[item * state.count + i] } }
      var update = [Float](repeating: 0, count: valueSize)
      for step in 0..<steps {
        let row = image * steps + step
        if let decay {
          for i in 0..<size {
            let perKey = decayWidth != stateHeads
            let gate = exp(decay[row * decayWidth + (perKey ? head * size + i : head)])
            for j in 0..<valueSize { state[i &* valueSize &+ j] *= gate }
          }
        }
        let keys = k + (row * stateHeads + head) * size
        for j in 0..<valueSize { update[j] = v[(row * stateHeads + head) * valueSize + j] }
        if let beta {
          let rate = beta[row * betaWidth + (betaWidth == 1 ? 0 : head)]
          for i in 0..<size { for j in 0..<valueSize { update[j] -= state[i &* valueSize &+ j] * keys[i] } }
          for j in 0..<valueSize { update[j] *= rate }
        }
        for i in 0..<size { for j in 0..<valueSize { state[i &* valueSize &+ j] += keys[i] * update[j] } }
        for reader in head * group..<(head + 1) * group {
          guard let target = output.map({ $0 + (row * heads + reader) * valueSize }) else { break }
          let queries = q + (row * heads + reader) * size
          target.update(repeating: 0, count: valueSize)
          for i in 0..<size {
            let weight = factor * queries[i]
            for j in 0..<valueSize { target[j] += weight * state[i &* valueSize &+ j] }
          }
        }
      }
      if let present { for i in state.indices { present[item * state.count + i] = state[i] } }
    }
  }
}
