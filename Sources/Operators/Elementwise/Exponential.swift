import CKernels
import GraphIR

#if canImport(Glibc)
  import Glibc
#endif

/// Y = √X; NaN below 0.
struct Sqrt: RealFunction {
  static let schema = Schema.map("Sqrt", since: 13)
  init(_ attributes: Attributes) {}
  var vector: FloatMap? { ck_sqrt_f32 }
  func value(_ x: Double) -> Double { x.squareRoot() }
}

/// Y = 1 / X.
struct Reciprocal: RealFunction {
  static let schema = Schema.map("Reciprocal", since: 13)
  init(_ attributes: Attributes) {}
  var vector: FloatMap? { ck_reciprocal_f32 }
  func value(_ x: Double) -> Double { 1 / x }
}

/// Y = e^X.
struct Exp: RealFunction {
  static let schema = Schema.map("Exp", since: 13)
  init(_ attributes: Attributes) {}
  var vector: FloatMap? { ck_exp_f32 }
  func value(_ x: Double) -> Double { exp(x) }
}

/// Y = ln X.
struct Log: RealFunction {
  static let schema = Schema.map("Log", since: 13)
  init(_ attributes: Attributes) {}
  var vector: FloatMap? { ck_log_f32 }
  func value(_ x: Double) -> Double { log(x) }
}

/// Y = 2/√π ∫₀ˣ e^(-t²) dt.
struct Erf: RealFunction {
  static let schema = Schema.map("Erf", since: 13)
  init(_ attributes: Attributes) {}
  var vector: FloatMap? { ck_erf_f32 }
  func value(_ x: Double) -> Double { erf(x) }
}

extension Sqrt: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    return g.Div(g.Mul(d, try c.number(0.5)), y)
  }
}

extension Reciprocal: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    return g.Neg(g.Mul(d, g.Mul(y, y)))
  }
}

extension Exp: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    c.graph.Mul(d, y)
  }
}

extension Log: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    c.graph.Div(d, x)
  }
}

extension Erf: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    let bell = g.Exp(g.Neg(g.Mul(x, x)))
    return g.Mul(d, g.Mul(bell, try c.number(2 / Double.pi.squareRoot())))
  }
}
