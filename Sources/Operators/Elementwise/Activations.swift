import CKernels
import GraphIR

#if canImport(Glibc)
  import Glibc
#endif

/// Y = 1 / (1 + e^-X).
struct Sigmoid: RealFunction {
  static let schema = Schema.map("Sigmoid", since: 13)
  init(_ attributes: Attributes) {}
  var vector: FloatMap? { ck_sigmoid_f32 }
  func value(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
}

/// Y = tanh X.
struct Tanh: RealFunction {
  static let schema = Schema.map("Tanh", since: 13)
  init(_ attributes: Attributes) {}
  var vector: FloatMap? { ck_tanh_f32 }
  func value(_ x: Double) -> Double { tanh(x) }
}

/// Y = max(0, min(1, alpha · X + beta)).
struct HardSigmoid: RealFunction {
  static let schema = Schema.map(
    "HardSigmoid", since: 22, attributes: ["alpha": .float(0.2), "beta": .float(0.5)])
  let alpha: Double
  let beta: Double

  init(_ attributes: Attributes) throws {
    alpha = try attributes.real("alpha")
    beta = try attributes.real("beta")
  }

  func value(_ x: Double) -> Double { Double.greatest(0, Double.least(1, alpha * x + beta)) }
}

/// Y = X · max(0, min(1, X / 6 + 0.5)).
struct HardSwish: RealFunction {
  static let schema = Schema.map("HardSwish", since: 22)
  init(_ attributes: Attributes) {}
  func value(_ x: Double) -> Double { x * Double.greatest(0, Double.least(1, x / 6 + 0.5)) }
}

/// Y = X, or alpha · X below 0.
struct LeakyRelu: RealFunction {
  static let schema = Schema.map("LeakyRelu", since: 16, attributes: ["alpha": .float(0.01)])
  let alpha: Double

  init(_ attributes: Attributes) throws {
    alpha = try attributes.real("alpha")
  }

  func value(_ x: Double) -> Double { x < 0 ? alpha * x : x }
}

/// Y = ln(1 + e^X).
struct Softplus: RealFunction {
  static let schema = Schema.map("Softplus", since: 22)
  init(_ attributes: Attributes) {}
  func value(_ x: Double) -> Double { Double.greatest(x, 0) + log1p(exp(-abs(x))) }
}

/// Y = X / (1 + |X|).
struct Softsign: RealFunction {
  static let schema = Schema.map("Softsign", since: 22)
  init(_ attributes: Attributes) {}
  func value(_ x: Double) -> Double { x.isInfinite ? (x < 0 ? -1 : 1) : x / (1 + abs(x)) }
}

extension Sigmoid: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    return g.Mul(d, g.Mul(y, g.Sub(try c.number(1), y)))
  }
}

extension Tanh: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    return g.Mul(d, g.Sub(try c.number(1), g.Mul(y, y)))
  }
}

extension HardSigmoid: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    let inside = g.And(g.Greater(y, try c.number(0)), g.Less(y, try c.number(1)))
    return try c.masked(g.Mul(d, try c.number(alpha)), where: inside)
  }
}

extension HardSwish: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    let slope = g.Add(g.Div(x, try c.number(3)), try c.number(0.5))
    let inside = try c.masked(slope, where: g.Greater(x, try c.number(-3)))
    return g.Mul(d, g.Where(g.Less(x, try c.number(3)), inside, try c.number(1)))
  }
}

extension LeakyRelu: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    return g.Where(g.Less(x, try c.number(0)), g.Mul(d, try c.number(alpha)), d)
  }
}

extension Softplus: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    return g.Mul(d, g.Sigmoid(x))
  }
}

extension Softsign: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    let bound = g.Add(g.Abs(x), try c.number(1))
    return g.Div(d, g.Mul(bound, bound))
  }
}
