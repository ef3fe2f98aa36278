import GraphIR

extension GroupNormalization: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let channels = try context.shape(0)[1]
    guard scalesGroups else {
      return try GroupNormalization.gradient(context, scale: context.input(1), groups, epsilon)
    }
    // One number per group stands for one per channel.
    let grid = [groups, channels / groups]
    let scale = context.reshape(
      context.spread(context.reshape(context.input(1), [groups, 1]), grid), [channels])
    return try GroupNormalization.gradient(context, scale: scale, groups, epsilon).enumerated().map {
      position, value in
      guard position > 0, let value else { return value }
      return context.sum(context.reshape(value, grid), [1], keepsDims: false)
    }
  }

  /// By the fused operator, with one number of `scale` per channel.
  fileprivate static func gradient(
    _ context: GradientContext, scale: Value, _ groups: Int, _ epsilon: Double
  ) throws -> [Value?] {
    context.fused(
      "GroupNormalizationGradient", [context.input(0), scale, try context.gradient()],
      ["num_groups": .int(groups), "epsilon": .float(Float(epsilon))], for: 0..<3)
  }
}

extension ChannelGroupNormalization: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] { try form.gradient(context) }
}

/// Every channel is a group of its own.
extension InstanceNormalization: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    try GroupNormalization.gradient(context, scale: context.input(1), context.shape(0)[1], epsilon)
  }
}

extension LayerNormalization: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    if context.outputGradient(1) != nil || context.outputGradient(2) != nil {
      throw DataError("has no gradient through its statistics")
    }
    let shape = try context.shape(0)
    let row = Array(shape[try InferenceInputs.axis(axis, rank: shape.count)...])
    // A parameter may have fewer axes than a row, or axes of 1.
    func strip(_ position: Int) throws -> [Int] {
      let own = try context.shape(position)
      let extra = own.prefix(max(0, own.count - row.count))
      guard extra.allSatisfy({ $0 == 1 }) else {
        throw DataError("has no gradient where input \(position) differs between rows")
      }
      return Array(own.dropFirst(extra.count))
    }
    func scale() throws -> Value {
      let own = try context.shape(1)
      if own == row { return context.input(1) }
      let stripped = try strip(1)
      let value = stripped == own ? context.input(1) : context.reshape(context.input(1), stripped)
      return stripped == row ? value : context.spread(value, row)
    }
    let results = context.fused(
      "LayerNormalizationGradient", [context.input(0), try scale(), try context.gradient()],
      ["axis": .int(axis), "epsilon": .float(Float(epsilon))], for: 0..<3)
    return try results.enumerated().map { position, value in
      guard position > 0, let value else { return value }
      let own = try context.shape(position)
      let summed = context.sum(value, from: row, to: try strip(position))
      return try strip(position) == own ? summed : context.reshape(summed, own)
    }
  }
}

/// With x̂ = X / √(mean of X² + epsilon) and g = dY · scale: dX = (g − x̂ · mean of g · x̂) / √(mean of X² + epsilon).
extension RMSNormalization: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let (g, x, d) = (context.graph, context.input(0), try context.gradient())
    guard try context.dtype(0) == context.dtype(1) else {
      throw DataError("has no gradient where X and scale differ in type")
    }
    let rank = try context.shape(0).count
    let first = try InferenceInputs.axis(axis, rank: rank)
    let axes = g.ints(Array(first..<rank), "axes")
    let square = g.ReduceMean(g.Mul(x, x), axes)
    let inverse = g.Reciprocal(g.Sqrt(g.Add(square, try context.number(epsilon))))
    let normalized = g.Mul(x, inverse)
    let above = g.Mul(d, context.input(1))
    let share = g.ReduceMean(g.Mul(above, normalized), axes)
    return [
      context.wants(0) ? g.Mul(inverse, g.Sub(above, g.Mul(normalized, share))) : nil,
      context.wants(1) ? try context.sum(g.Mul(d, normalized), to: 1) : nil,
    ]
  }
}
