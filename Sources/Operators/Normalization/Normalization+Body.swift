import GraphIR

/// Normalizations written in operators of the default domain.
private struct NormalizationComposition {
  let call: Composition
  let dtype: DType
  /// Statistics of the normalized elements, keepdims.
  let mean: Value?
  let centered, inverse: Value
  private let axes: [Int]
  private var g: GraphBuilder { call.g }

  /// - Parameter isCentered: false for the root mean square.
  init(_ call: Composition, _ x: Value, axes: [Int], epsilon: Double, isCentered: Bool = true) throws {
    let g = call.g
    self.call = call
    self.axes = axes
    dtype = try call.dtype(0)
    mean = isCentered ? call.reduce("ReduceMean", x, axes) : nil
    centered = mean.map { g.Sub(x, $0) } ?? x
    let variance = call.reduce("ReduceMean", g.Mul(centered, centered), axes)
    inverse = g.Reciprocal(g.Sqrt(g.Add(variance, call.number(epsilon, dtype))))
  }

  var normalized: Value { g.Mul(centered, inverse) }

  /// The gradient with respect to the elements, from that of the normalized ones.
  func gradient(_ above: Value, normalized: Value) -> Value {
    let mean = call.reduce("ReduceMean", above, axes)
    let share = call.reduce("ReduceMean", g.Mul(above, normalized), axes)
    return g.Mul(inverse, g.Sub(g.Sub(above, mean), g.Mul(normalized, share)))
  }
}

extension GroupNormalization {
  /// X as [batch, groups, elements], and a parameter as one number per channel that broadcasts to X.
  fileprivate func grouped(_ x: Value, _ g: GraphBuilder) -> Value { g.Reshape(x, g.ints([0, groups, -1])) }
  fileprivate func channels(_ parameter: Value, _ rank: Int, _ g: GraphBuilder) -> Value {
    g.Reshape(parameter, g.ints([-1] + [Int](repeating: 1, count: rank - 2)))
  }
}

extension ChannelGroupNormalization: ComposedOperator {
  func body(_ call: Composition) throws -> [Value?] {
    let g = call.g
    let (x, rank) = (try call.input(0), try call.shape(0).count)
    let c = try NormalizationComposition(call, form.grouped(x, g), axes: [2], epsilon: form.epsilon)
    let scaled = g.Mul(g.Reshape(c.normalized, g.Shape(x)), form.channels(try call.input(1), rank, g))
    return [g.Add(scaled, form.channels(try call.input(2), rank, g))]
  }
}

extension GroupNormalizationGradient: ComposedOperator {
  func body(_ call: Composition) throws -> [Value?] {
    let g = call.g
    let (x, rank, dY) = (try call.input(0), try call.shape(0).count, try call.input(2))
    let c = try NormalizationComposition(call, form.grouped(x, g), axes: [2], epsilon: form.epsilon)
    let normalized = c.normalized
    let above = form.grouped(g.Mul(dY, form.channels(try call.input(1), rank, g)), g)
    let others = (0..<rank).filter { $0 != 1 }
    return [
      call.wants(0) ? g.Reshape(c.gradient(above, normalized: normalized), g.Shape(x)) : nil,
      call.wants(1)
        ? call.reduce("ReduceSum", g.Mul(dY, g.Reshape(normalized, g.Shape(x))), others, keep: false) : nil,
      call.wants(2) ? call.reduce("ReduceSum", dY, others, keep: false) : nil,
    ]
  }
}

extension LayerNormalization: ComposedOperator {
  func body(_ call: Composition) throws -> [Value?] {
    let (g, rank) = (call.g, try call.shape(0).count)
    let first = try InferenceInputs.axis(axis, rank: rank)
    let c = try NormalizationComposition(
      call, try call.input(0), axes: Array(first..<rank), epsilon: epsilon)
    let scaled = g.Mul(c.normalized, try call.input(1))
    return [call.optional(2).map { g.Add(scaled, $0) } ?? scaled, c.mean, c.inverse]
  }
}

extension RMSNormalization: ComposedOperator {
  func body(_ call: Composition) throws -> [Value?] {
    let rank = try call.shape(0).count
    let first = try InferenceInputs.axis(axis, rank: rank)
    let c = try NormalizationComposition(
      call, try call.input(0), axes: Array(first..<rank), epsilon: epsilon, isCentered: false)
    return [call.g.Mul(c.normalized, try call.input(1))]
  }
}

extension LayerNormalizationGradient: ComposedOperator {
  func body(_ call: Composition) throws -> [Value?] {
    let g = call.g
    let (rank, dY) = (try call.shape(0).count, try call.input(2))
    let first = try InferenceInputs.axis(axis, rank: rank)
    let c = try NormalizationComposition(
      call, try call.input(0), axes: Array(first..<rank), epsilon: epsilon)
    let normalized = c.normalized
    func sum(_ x: Value) -> Value {
      first == 0 ? g.Identity(x) : call.reduce("ReduceSum", x, Array(0..<first), keep: false)
    }
    return [
      call.wants(0) ? c.gradient(g.Mul(dY, try call.input(1)), normalized: normalized) : nil,
      call.wants(1) ? sum(g.Mul(dY, normalized)) : nil, call.wants(2) ? sum(dY) : nil,
    ]
  }
}
