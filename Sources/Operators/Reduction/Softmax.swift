import GraphIR

/// e^x or its logarithm, normalized to the sum 1 along an axis; before opset 13, over all axes from `axis`.
protocol SoftmaxOperator: Operator {
  static var logarithm: Bool { get }
  var axis: SoftmaxAxis { get }
}

/// Which elements are normalized together.
struct SoftmaxAxis: Sendable {
  let axis: Int
  /// The old form: the tensor is seen as a matrix, cut before `axis`.
  let flattens: Bool

  init(_ attributes: Attributes) throws {
    flattens = attributes.opset < 13
    axis = try attributes.int("axis") ?? (flattens ? 1 : -1)
  }

  func check(_ rank: Int) throws -> Int {
    // The old form may cut behind the last axis.
    if flattens, axis == rank { return rank }
    return try InferenceInputs.axis(axis, rank: rank)
  }

  /// The elements before, in and behind what is normalized together.
  func extents(_ shape: [Int]) throws -> (outer: Int, length: Int, inner: Int) {
    let at = try check(shape.count)
    let outer = Shape.count(Array(shape[..<at]))
    if flattens { return (outer, Shape.count(Array(shape[at...])), 1) }
    return (outer, shape[at], Shape.count(Array(shape[(at + 1)...])))
  }
}

extension SoftmaxOperator {
  var aliasing: Aliasing { .inPlace([0]) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let type = try inputs.type(0)
    if let rank = type.rank { _ = try axis.check(rank) }
    return [type]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = outputs[0] else { return }
    let (outer, length, inner) = try axis.extents(x.shape)
    SoftmaxKernel.run(
      x, y, outer: outer, axis: length, inner: inner, logarithm: Self.logarithm, context.pool)
  }
}

/// y = eˣ / Σ eˣ.
struct Softmax: SoftmaxOperator {
  static let schema = Schema.map("Softmax", since: 13, attributes: ["axis": .none])
  static let logarithm = false
  let axis: SoftmaxAxis
  init(_ attributes: Attributes) throws { axis = try SoftmaxAxis(attributes) }
}

/// y = x - ln Σ eˣ.
struct LogSoftmax: SoftmaxOperator {
  static let schema = Schema.map("LogSoftmax", since: 13, attributes: ["axis": .none])
  static let logarithm = true
  let axis: SoftmaxAxis
  init(_ attributes: Attributes) throws { axis = try SoftmaxAxis(attributes) }
}

extension SoftmaxAxis {
  /// The sum over what is normalized together, kept as axes of 1.
  fileprivate func sum(_ context: GradientContext, _ value: Value) throws -> Value {
    let rank = try context.shape(0).count
    let at = try check(rank)
    return context.sum(value, flattens ? Array(at..<rank) : [at])
  }
}

extension Softmax: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let (g, d, y) = (context.graph, try context.gradient(), try context.output())
    let weighted = g.Mul(d, y)
    return [g.Sub(weighted, g.Mul(y, try axis.sum(context, weighted)))]
  }
}

extension LogSoftmax: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let (g, d, y) = (context.graph, try context.gradient(), try context.output())
    return [g.Sub(d, g.Mul(g.Exp(y), try axis.sum(context, d)))]
  }
}
