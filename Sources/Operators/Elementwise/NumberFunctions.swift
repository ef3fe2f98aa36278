import CKernels
import GraphIR

/// Y = -X; integers wrap.
struct Neg: NumberFunction {
  static let schema = Schema.map("Neg", since: 13, types: .numbers)
  static var vector: FloatMap? { ck_neg_f32 }
  init(_ attributes: Attributes) {}
  @inline(__always) static func apply<T: ArithmeticElement>(_ x: T) -> T { x.negated }
}

/// Y = |X|; the lowest signed integer stays itself.
struct Abs: NumberFunction {
  static let schema = Schema.map("Abs", since: 13, types: .numbers)
  static var vector: FloatMap? { ck_abs_f32 }
  init(_ attributes: Attributes) {}
  @inline(__always) static func apply<T: ArithmeticElement>(_ x: T) -> T { x.absolute }
}

/// Y = -1, 0 or 1; NaN stays NaN.
struct Sign: NumberFunction {
  static let schema = Schema.map("Sign", since: 13, types: .numbers)
  init(_ attributes: Attributes) {}
  @inline(__always) static func apply<T: ArithmeticElement>(_ x: T) -> T { x.signOrZero }
}

/// Y = max(0, X); NaN stays NaN.
struct Relu: NumberFunction {
  static let schema = Schema.map("Relu", since: 14, types: .numbers)
  static var vector: FloatMap? { ck_relu_f32 }
  init(_ attributes: Attributes) {}
  @inline(__always) static func apply<T: ArithmeticElement>(_ x: T) -> T { x < T.zero ? T.zero : x }
}

extension Neg: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    c.graph.Neg(d)
  }
}

extension Abs: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    return g.Mul(d, g.Sign(x))
  }
}

extension Sign: FlatFunction {}

extension Relu: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    try c.masked(d, where: c.graph.Greater(x, try c.number(0)))
  }
}
