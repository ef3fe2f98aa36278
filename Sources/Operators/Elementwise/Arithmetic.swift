import CKernels
import GraphIR

/// C = f(A, B) on broadcast tensors of one number type.
protocol ArithmeticOperator: Operator {
  static func apply<T: ArithmeticElement>(_ a: T, _ b: T) -> T
  static var vector: FloatBinary { get }
  /// Whether an integer 0 in B is an error.
  static var divides: Bool { get }
}

extension ArithmeticOperator {
  static var divides: Bool { false }
  var aliasing: Aliasing { .inPlace([0, 1]) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] { [try Elementwise.pairType(inputs)] }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let a = inputs[0], let b = inputs[1], let y = outputs[0] else { return }
    try Self.run(a, b, y, context.pool)
  }

  static func run(_ a: Tensor, _ b: Tensor, _ y: Tensor, _ pool: ThreadPool) throws {
    if y.dtype == .float32 { return BinaryKernel.map(a, b, y, pool, vector) }
    if divides, y.dtype.isInteger, y.count > 0, try BinaryKernel.hasZero(b) {
      throw DataError("integer division by zero")
    }
    try y.dtype.visit(ArithmeticRun<Self>(a: a, b: b, y: y, pool: pool))
  }
}

private struct ArithmeticRun<Function: ArithmeticOperator>: ArithmeticVisitor {
  let a: Tensor
  let b: Tensor
  let y: Tensor
  let pool: ThreadPool

  func visit<T: ArithmeticElement>(_ type: T.Type) {
    BinaryKernel.map(a, b, y, pool, (type, type, type)) { Function.apply($0, $1) }
  }
}

/// C = A + B; integers wrap.
struct Add: ArithmeticOperator {
  static let schema = Schema.arithmetic("Add", since: 14)
  static let vector = FloatBinary(ck_add_vv, ck_add_vs, ck_add_sv)
  init(_ attributes: Attributes) {}
  @inline(__always) static func apply<T: ArithmeticElement>(_ a: T, _ b: T) -> T { T.sum(a, b) }
}

/// C = A - B; integers wrap.
struct Sub: ArithmeticOperator {
  static let schema = Schema.arithmetic("Sub", since: 14)
  static let vector = FloatBinary(ck_sub_vv, ck_sub_vs, ck_sub_sv)
  init(_ attributes: Attributes) {}
  @inline(__always) static func apply<T: ArithmeticElement>(_ a: T, _ b: T) -> T { T.difference(a, b) }
}

/// C = A · B, element by element; integers wrap.
struct Mul: ArithmeticOperator {
  static let schema = Schema.arithmetic("Mul", since: 14)
  static let vector = FloatBinary(ck_mul_vv, ck_mul_vs, ck_mul_sv)
  init(_ attributes: Attributes) {}
  @inline(__always) static func apply<T: ArithmeticElement>(_ a: T, _ b: T) -> T { T.product(a, b) }
}

/// C = A / B; integers truncate toward zero, and an integer divisor of 0 is a `DataError`.
struct Div: ArithmeticOperator {
  static let schema = Schema.arithmetic("Div", since: 14)
  static let vector = FloatBinary(ck_div_vv, ck_div_vs, ck_div_sv)
  static let divides = true
  init(_ attributes: Attributes) {}
  @inline(__always) static func apply<T: ArithmeticElement>(_ a: T, _ b: T) -> T { T.quotient(a, b) }
}

extension Add: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let d = try context.gradient()
    return try (0..<2).map { context.wants($0) ? try context.sum(d, to: $0) : nil }
  }
}

extension Sub: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let (g, d) = (context.graph, try context.gradient())
    return [
      context.wants(0) ? try context.sum(d, to: 0) : nil,
      context.wants(1) ? g.Neg(try context.sum(d, to: 1)) : nil,
    ]
  }
}

extension Mul: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let (g, d) = (context.graph, try context.gradient())
    return try (0..<2).map {
      context.wants($0) ? try context.sum(g.Mul(d, context.input(1 - $0)), to: $0) : nil
    }
  }
}

extension Div: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let g = context.graph
    let d = g.Div(try context.gradient(), context.input(1))
    guard context.wants(1) else { return [try context.sum(d, to: 0)] }
    let second = g.Neg(g.Mul(d, try context.output()))
    return [context.wants(0) ? try context.sum(d, to: 0) : nil, try context.sum(second, to: 1)]
  }
}
