import CKernels
import GraphIR

/// An operator that folds any number of broadcast tensors with a two-sided function.
protocol VariadicOperator: ArithmeticOperator {
  /// Whether the fold is divided by the number of inputs.
  static var averages: Bool { get }
}

extension VariadicOperator {
  static var averages: Bool { false }
  // The first step reads inputs 0 and 1 only; writing over a later one would lose it.
  var aliasing: Aliasing { .inPlace([0]) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let shapes = try inputs.types.indices.map { try inputs.shape($0) }
    return [TensorType(try inputs.dtype(0), try Elementwise.broadcast(shapes))]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    let tensors = inputs.compactMap { $0 }
    if tensors.count == 1 {
      y.assign(tensors[0])
    } else {
      try Self.run(tensors[0], tensors[1], y, context.pool)
    }
    for tensor in tensors.dropFirst(2) { try Self.run(y, tensor, y, context.pool) }
    if Self.averages, tensors.count > 1 {
      let divisor = Tensor(scalar: Double(tensors.count)).converted(to: y.dtype)
      try Div.run(y, divisor, y, context.pool)
    }
  }

  static func checkCount(_ attributes: Attributes) throws {
    guard attributes.inputCount > 0 else { throw DataError("needs at least one input") }
  }
}

extension Schema {
  /// Any number of tensors of type T, broadcast, to one of the same type.
  static func variadic(_ name: String, since: Int, types: Set<DType>) -> Schema {
    Schema(name, since: since, inputs: ["data*: T"], outputs: ["result: T"], types: ["T": types])
  }
}

/// The smallest element at each place; NaN where there is one.
struct Min: VariadicOperator {
  static let schema = Schema.variadic("Min", since: 13, types: .numbers)
  static let vector = FloatBinary(ck_min_vv, ck_min_vs, ck_min_sv)
  init(_ attributes: Attributes) throws { try Self.checkCount(attributes) }
  @inline(__always) static func apply<T: ArithmeticElement>(_ a: T, _ b: T) -> T { T.least(a, b) }
}

/// The largest element at each place; NaN where there is one.
struct Max: VariadicOperator {
  static let schema = Schema.variadic("Max", since: 13, types: .numbers)
  static let vector = FloatBinary(ck_max_vv, ck_max_vs, ck_max_sv)
  init(_ attributes: Attributes) throws { try Self.checkCount(attributes) }
  @inline(__always) static func apply<T: ArithmeticElement>(_ a: T, _ b: T) -> T { T.greatest(a, b) }
}

/// The sum of all inputs.
struct Sum: VariadicOperator {
  static let schema = Schema.variadic("Sum", since: 13, types: .floats)
  static let vector = Add.vector
  init(_ attributes: Attributes) throws { try Self.checkCount(attributes) }
  @inline(__always) static func apply<T: ArithmeticElement>(_ a: T, _ b: T) -> T { T.sum(a, b) }
}

/// The mean of all inputs.
struct Mean: VariadicOperator {
  static let schema = Schema.variadic("Mean", since: 13, types: .floats)
  static let vector = Add.vector
  static let averages = true
  init(_ attributes: Attributes) throws { try Self.checkCount(attributes) }
  @inline(__always) static func apply<T: ArithmeticElement>(_ a: T, _ b: T) -> T { T.sum(a, b) }
}

/// The gradient of the smallest or largest of several: it goes to the elements that equal the result, in equal
/// parts where there are several.
private func extremeGradient(_ context: GradientContext) throws -> [Value?] {
  let (g, d, y) = (context.graph, try context.gradient(), try context.output())
  let count = context.node.inputs.count
  if count == 1 { return [d] }
  let hits = try (0..<count).map { try context.indicator(g.Equal(context.input($0), y)) }
  let total = hits.dropFirst().reduce(hits[0]) { g.Add($0, $1) }
  let share = g.Div(d, total)
  return try (0..<count).map { context.wants($0) ? try context.sum(g.Mul(share, hits[$0]), to: $0) : nil }
}

extension Min: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] { try extremeGradient(context) }
}

extension Max: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] { try extremeGradient(context) }
}

extension Sum: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let d = try context.gradient()
    return try context.node.inputs.indices.map { context.wants($0) ? try context.sum(d, to: $0) : nil }
  }
}

extension Mean: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let count = context.node.inputs.count
    let d = context.graph.Div(try context.gradient(), try context.number(Double(count)))
    return try (0..<count).map { context.wants($0) ? try context.sum(d, to: $0) : nil }
  }
}
