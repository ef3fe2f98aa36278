import GraphIR

/// An operator that folds the elements along some axes into one.
protocol ReductionOperator: Operator {
  static var kind: ReductionKind { get }
  var axes: ReductionAxes { get }
}

extension ReductionOperator {
  func infer(_ inputs: InferenceInputs) throws -> [TensorType] { [try axes.infer(inputs)] }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = outputs[0] else { return }
    let flags = try axes.flags(axes.axes(inputs), rank: x.rank)
    // Without an axis to fold, "noop" is the identity, not a fold of single elements.
    if axes.emptyMeansNone, !flags.contains(true) { return y.assign(x) }
    try ReductionKernel.run(Self.kind, x, y, ReductionLayout(x.shape, flags), context.pool)
  }
}

extension Schema {
  /// data of type T, folded along axes.
  static func reduction(_ name: String, since: Int, types: Set<DType> = .numbers) -> Schema {
    Schema(
      name, since: since, inputs: ["data: T", "axes?: I"], outputs: ["reduced: T"],
      types: ["T": types, "I": [.int64]],
      attributes: ["axes": .none, "keepdims": .int(1), "noop_with_empty_axes": .int(0)])
  }
}

/// Σ x; integers wrap.
struct ReduceSum: ReductionOperator {
  static let schema = Schema.reduction("ReduceSum", since: 13)
  static let kind = ReductionKind.sum
  let axes: ReductionAxes
  init(_ attributes: Attributes) throws { axes = try ReductionAxes(attributes) }
}

/// The mean; of integers truncated toward zero.
struct ReduceMean: ReductionOperator {
  static let schema = Schema.reduction("ReduceMean", since: 18)
  static let kind = ReductionKind.mean
  let axes: ReductionAxes
  init(_ attributes: Attributes) throws { axes = try ReductionAxes(attributes) }
}

/// The largest element; NaN where there is one.
struct ReduceMax: ReductionOperator {
  static let schema = Schema.reduction("ReduceMax", since: 20, types: .all)
  static let kind = ReductionKind.max
  let axes: ReductionAxes
  init(_ attributes: Attributes) throws { axes = try ReductionAxes(attributes) }
}

/// The smallest element; NaN where there is one.
struct ReduceMin: ReductionOperator {
  static let schema = Schema.reduction("ReduceMin", since: 20, types: .all)
  static let kind = ReductionKind.min
  let axes: ReductionAxes
  init(_ attributes: Attributes) throws { axes = try ReductionAxes(attributes) }
}

/// Π x; integers wrap.
struct ReduceProd: ReductionOperator {
  static let schema = Schema.reduction("ReduceProd", since: 18)
  static let kind = ReductionKind.product
  let axes: ReductionAxes
  init(_ attributes: Attributes) throws { axes = try ReductionAxes(attributes) }
}

/// Σ |x|.
struct ReduceL1: ReductionOperator {
  static let schema = Schema.reduction("ReduceL1", since: 18)
  static let kind = ReductionKind.l1
  let axes: ReductionAxes
  init(_ attributes: Attributes) throws { axes = try ReductionAxes(attributes) }
}

/// √Σ x².
struct ReduceL2: ReductionOperator {
  static let schema = Schema.reduction("ReduceL2", since: 18)
  static let kind = ReductionKind.l2
  let axes: ReductionAxes
  init(_ attributes: Attributes) throws { axes = try ReductionAxes(attributes) }
}

/// Σ x².
struct ReduceSumSquare: ReductionOperator {
  static let schema = Schema.reduction("ReduceSumSquare", since: 18)
  static let kind = ReductionKind.sumSquares
  let axes: ReductionAxes
  init(_ attributes: Attributes) throws { axes = try ReductionAxes(attributes) }
}

/// ln Σ x.
struct ReduceLogSum: ReductionOperator {
  static let schema = Schema.reduction("ReduceLogSum", since: 18)
  static let kind = ReductionKind.logSum
  let axes: ReductionAxes
  init(_ attributes: Attributes) throws { axes = try ReductionAxes(attributes) }
}

/// ln Σ eˣ, with the largest element taken out of the sum.
struct ReduceLogSumExp: ReductionOperator {
  static let schema = Schema.reduction("ReduceLogSumExp", since: 18)
  static let kind = ReductionKind.logSumExp
  let axes: ReductionAxes
  init(_ attributes: Attributes) throws { axes = try ReductionAxes(attributes) }
}

// A fold of no axis at all is the identity under "noop_with_empty_axes", whatever it folds with.

extension ReduceSum: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let r = try axes.differentiated(context)
    return [context.spread(r.d, try context.shape(0))]
  }
}

extension ReduceMean: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let g = context.graph
    let r = try axes.differentiated(context)
    let share = g.Div(r.d, try context.number(Double(r.count)))
    return [context.spread(share, try context.shape(0))]
  }
}

extension ReduceMax: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let r = try axes.differentiated(context)
    return [try axes.extreme(context, r.d, r.y)]
  }
}

extension ReduceMin: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let r = try axes.differentiated(context)
    return [try axes.extreme(context, r.d, r.y)]
  }
}

extension ReduceProd: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let (g, x) = (context.graph, context.input(0))
    let r = try axes.differentiated(context)
    // Elements that are 0 would need the products of all others.
    return [g.Mul(r.d, g.Div(r.y, x))]
  }
}

extension ReduceL1: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let (g, x) = (context.graph, context.input(0))
    let r = try axes.differentiated(context)
    return [r.isWhole && axes.emptyMeansNone ? r.d : g.Mul(r.d, g.Sign(x))]
  }
}

extension ReduceL2: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let (g, x) = (context.graph, context.input(0))
    let r = try axes.differentiated(context)
    return [r.isWhole && axes.emptyMeansNone ? r.d : g.Mul(r.d, g.Div(x, r.y))]
  }
}

extension ReduceSumSquare: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let (g, x) = (context.graph, context.input(0))
    let r = try axes.differentiated(context)
    let twice = g.Mul(r.d, try context.number(2))
    return [r.isWhole && axes.emptyMeansNone ? r.d : g.Mul(twice, x)]
  }
}

extension ReduceLogSum: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let g = context.graph
    let r = try axes.differentiated(context)
    let slope = g.Div(r.d, g.Exp(r.y))
    return [r.isWhole && axes.emptyMeansNone ? r.d : context.spread(slope, try context.shape(0))]
  }
}

extension ReduceLogSumExp: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let (g, x) = (context.graph, context.input(0))
    let r = try axes.differentiated(context)
    return [r.isWhole && axes.emptyMeansNone ? r.d : g.Mul(r.d, g.Exp(g.Sub(x, r.y)))]
  }
}

extension ReductionAxes {
  /// The gradient of the largest or smallest element: equal parts for all that equal it.
  fileprivate func extreme(_ context: GradientContext, _ d: Value, _ y: Value) throws -> Value {
    let g = context.graph
    let shape = try context.shape(0)
    let flags = try flags(try context.ints(1) ?? attribute ?? [], rank: shape.count)
    let hits = try context.indicator(g.Equal(context.input(0), y))
    let count = context.sum(hits, shape.indices.filter { flags[$0] })
    return g.Mul(g.Div(d, count), hits)
  }
}
