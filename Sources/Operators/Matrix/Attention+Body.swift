import GraphIR

extension AttentionWithLogSumExp: ComposedOperator {
  func body(_ call: Composition) throws -> [Value?] {
    let g = call.g
    let c = try AttentionComposition(call, form, inputs: 7)
    let q = c.split(try call.input(0), c.headSize, group: c.group)
    /// The past is [batch, key heads, past, size].
    func all(_ position: Int, _ past: Int, _ size: Int) throws -> Value {
      let new = c.split(try call.input(position), size, group: 1)
      guard let past = call.optional(past) else { return new }
      return g.emit("Concat", [g.Unsqueeze(past, g.ints([2], "axes")), new], ["axis": .int(3)])[0]
    }
    let (k, v) = (try all(1, 4, c.headSize), try all(2, 5, c.valueSize))
    let scores = try c.scores(q, k, lengths: call.optional(6), past: call.optional(4))
    // A query that sees no key has no finite score.
    let top = call.reduce("ReduceMax", scores.masked, [4])
    let base = c.finite(top, where: top)
    let powers = g.Exp(g.Sub(scores.masked, base))
    let sum = call.reduce("ReduceSum", powers, [4])
    let lse = g.Add(base, g.Log(sum))
    let (zero, one) = (call.number(0, c.dtype), call.number(1, c.dtype))
    let probabilities = g.Div(powers, g.Where(g.Equal(sum, zero), one, sum))
    let y = c.join(c.matMul(probabilities, v), c.valueSize, group: c.group)
    let axes = g.ints([2], "axes")
    let stages = [scores.product, scores.capped, scores.masked, probabilities]
    return [
      y, call.wants(1) ? g.Squeeze(k, axes) : nil, call.wants(2) ? g.Squeeze(v, axes) : nil,
      call.wants(3) ? c.joinScores(stages[form.stage.rawValue]) : nil, call.wants(4) ? c.joinRows(lse) : nil,
    ]
  }
}

extension AttentionGradient: ComposedOperator {
  func body(_ call: Composition) throws -> [Value?] {
    let g = call.g
    let c = try AttentionComposition(call, form, inputs: 4)
    let q = c.split(try call.input(0), c.headSize, group: c.group)
    let k = c.split(try call.input(1), c.headSize, group: 1)
    let v = c.split(try call.input(2), c.valueSize, group: 1)
    let lse = c.splitRows(try call.input(5))
    let scores = try c.scores(q, k)
    let p = g.Exp(g.Sub(scores.masked, c.finite(lse, where: lse)))
    let dY = call.optional(6).map { c.split($0, c.valueSize, group: c.group) }
    // The gradient of the scores is p · (rise − fall).
    var rise = call.optional(7).map { c.finite(c.splitRows($0), where: lse) }
    if let dY {
      let y = c.split(try call.input(4), c.valueSize, group: c.group)
      let fall = c.finite(call.reduce("ReduceSum", g.Mul(dY, y), [4]), where: lse)
      let product = g.Sub(c.matMul(dY, c.transposed(v)), fall)
      rise = rise.map { g.Add(product, $0) } ?? product
    }
    var dS = g.Mul(p, rise ?? call.number(0, c.dtype))
    if let slope = scores.slope { dS = g.Mul(dS, slope) }
    dS = g.Mul(dS, c.scale)
    let dV =
      try dY.map { c.joinKeys(c.matMul(c.transposed(p), $0), c.valueSize) }
      ?? g.Mul(call.input(2), call.number(0, c.dtype))
    return [
      call.wants(0) ? c.join(c.matMul(dS, k), c.headSize, group: c.group) : nil,
      call.wants(1) ? c.joinKeys(c.matMul(c.transposed(dS), q), c.headSize) : nil,
      call.wants(2) ? dV : nil,
    ]
  }
}
