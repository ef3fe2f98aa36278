import GraphIR

/// Attention written in operators of the default domain: what its body and that of its gradient share.
///
/// Heads are split as [batch, key heads, group, count, size], where the query heads of a group share a key head.
struct AttentionComposition {
  let call: Composition
  let form: AttentionForm
  let dtype: DType
  let isPacked: Bool
  let keyHeads, group, headSize, valueSize: Int
  let scale: Value
  /// Past and new keys, when the number is known.
  private let total: Int?
  private var g: GraphBuilder { call.g }

  /// - Throws: `DataError` when a number of heads or a head's size is not known.
  init(_ call: Composition, _ form: AttentionForm, inputs: Int) throws {
    self.call = call
    self.form = form
    dtype = try call.dtype(0)
    let extents = try form.extents(Array(call.types.prefix(inputs)))
    guard let isPacked = extents.isPacked, let queryHeads = extents.queryHeads.value,
      let keyHeads = extents.keyHeads.value, let headSize = extents.headSize.value,
      let valueSize = extents.valueSize.value, keyHeads > 0
    else { throw DataError("the number and the size of the heads are not known") }
    (self.isPacked, self.keyHeads, self.headSize, self.valueSize) = (isPacked, keyHeads, headSize, valueSize)
    group = queryHeads / keyHeads
    total = extents.total.value
    scale = call.number(form.scale.map(Double.init) ?? 1 / Double(headSize).squareRoot(), dtype)
  }

  /// Heads of the query, the result or their gradients, with `size` numbers each.
  func split(_ x: Value, _ size: Int, group: Int) -> Value {
    isPacked
      ? call.transpose(g.Reshape(x, g.ints([0, 0, keyHeads, group, size])), [0, 2, 3, 1, 4])
      : g.Reshape(x, g.ints([0, keyHeads, group, -1, size]))
  }

  /// The inverse of `split`.
  func join(_ x: Value, _ size: Int, group: Int) -> Value {
    isPacked
      ? g.Reshape(call.transpose(x, [0, 3, 1, 2, 4]), g.ints([0, 0, keyHeads * group * size]))
      : g.Reshape(x, g.ints([0, keyHeads * group, -1, size]))
  }

  /// Numbers of queries, [batch, heads, queries], as [batch, key heads, group, queries, 1], and back.
  func splitRows(_ x: Value) -> Value {
    g.Unsqueeze(g.Reshape(x, g.ints([0, keyHeads, group, -1])), g.ints([4], "axes"))
  }
  func joinRows(_ x: Value) -> Value {
    g.Reshape(g.Squeeze(x, g.ints([4], "axes")), g.ints([0, keyHeads * group, -1]))
  }

  /// Scores as [batch, heads, queries, keys].
  func joinScores(_ x: Value) -> Value {
    let extents = [call.extent(x, 0), g.ints([keyHeads * group]), call.extent(x, 3), call.extent(x, 4)]
    return g.Reshape(x, g.emit("Concat", extents, ["axis": .int(0)])[0])
  }

  /// The gradient of keys or values: those of all heads of a group together.
  func joinKeys(_ x: Value, _ size: Int) -> Value {
    join(group == 1 ? x : call.reduce("ReduceSum", x, [2]), size, group: 1)
  }

  func matMul(_ a: Value, _ b: Value) -> Value { g.MatMul(a, b) }
  func transposed(_ x: Value) -> Value { call.transpose(x, [0, 1, 2, 4, 3]) }

  /// Scores at all stages up to the mask; `slope` is the derivative of the soft cap.
  func scores(
    _ q: Value, _ k: Value, lengths: Value? = nil, past: Value? = nil
  ) throws -> (product: Value, capped: Value, masked: Value, slope: Value?) {
    let product = g.Mul(matMul(q, transposed(k)), scale)
    var (capped, slope): (Value, Value?) = (product, nil)
    if form.softcap > 0 {
      let cap = call.number(Double(form.softcap), dtype)
      let t = g.Tanh(g.Div(product, cap))
      capped = g.Mul(t, cap)
      slope = g.Sub(call.number(1, dtype), g.Mul(t, t))
    }
    var masked = try mask(capped)
    if let visible = try visible(q, k, lengths: lengths, past: past) {
      masked = g.Where(visible, masked, call.number(-.infinity, dtype))
    }
    return (product, capped, masked, slope)
  }

  private func mask(_ scores: Value) throws -> Value {
    guard var mask = call.optional(3) else { return scores }
    let shape = try call.shape(3)
    let width = shape.last?.value
    if let width, width != total, form.padsMask || width != 1 {
      throw DataError(
        "a mask of \(width) keys for \(total.map(String.init) ?? "an unknown number") has no body")
    }
    if shape.count == 3 { mask = g.Unsqueeze(mask, g.ints([0], "axes")) }
    if shape.count >= 3 {
      if shape[shape.count - 3].value == 1 {
        mask = g.Unsqueeze(mask, g.ints([2], "axes"))
      } else {
        let rows = [call.extent(mask, 2), call.extent(mask, 3)]
        mask = g.Reshape(
          mask, g.emit("Concat", [g.ints([0, keyHeads, group])] + rows, ["axis": .int(0)])[0])
      }
    }
    return try call.dtype(3) == .bool
      ? g.Where(mask, scores, call.number(-.infinity, dtype)) : g.Add(scores, mask)
  }

  /// Which keys a query sees by its position, [queries, keys] or with axes of the batch in front; nil when all.
  private func visible(_ q: Value, _ k: Value, lengths: Value?, past: Value?) throws -> Value? {
    guard form.isCausal || form.leftWindow != nil || form.rightWindow != nil || lengths != nil else {
      return nil
    }
    func positions(_ x: Value, _ shape: [Int]) -> Value {
      let count = g.Squeeze(call.extent(x, 3), g.ints([0], "axes"))
      let zero = g.constant(Tensor(scalar: Int64(0)), "zero")
      let one = g.constant(Tensor(scalar: Int64(1)), "one")
      return g.Reshape(g.Range(zero, count, one), g.ints(shape))
    }
    let keys = positions(k, [1, -1])
    var queries = positions(q, [-1, 1])
    if let past { queries = g.Add(queries, call.extent(past, 2)) }
    var hidden: [Value] = []
    if let lengths {
      let ends = g.Reshape(lengths, g.ints([-1, 1, 1, 1, 1]))
      queries = g.Add(queries, g.Sub(ends, call.extent(q, 3)))
      hidden.append(g.Not(g.Less(keys, ends)))
    }
    func moved(_ distance: Int) -> Value {
      g.Add(queries, g.constant(Tensor(scalar: Int64(distance)), "distance"))
    }
    if form.isCausal { hidden.append(g.Greater(keys, queries)) }
    if let right = form.rightWindow { hidden.append(g.Greater(keys, moved(right))) }
    if let left = form.leftWindow { hidden.append(g.Less(keys, moved(-left))) }
    return g.Not(hidden.dropFirst().reduce(hidden[0]) { g.Or($0, $1) })
  }

  /// `value`, and 0 where `test` is −∞.
  func finite(_ value: Value, where test: Value) -> Value {
    g.Where(g.Equal(test, call.number(-.infinity, dtype)), call.number(0, dtype), value)
  }
}
