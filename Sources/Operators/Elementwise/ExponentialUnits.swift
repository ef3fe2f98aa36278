import GraphIR

#if canImport(Glibc)
  import Glibc
#endif

/// Y = X, or alpha · (e^X - 1) below 0.
struct Elu: RealFunction {
  static let schema = Schema.map("Elu", since: 22, attributes: ["alpha": .float(1)])
  let alpha: Double

  init(_ attributes: Attributes) throws {
    alpha = try attributes.real("alpha")
  }

  func value(_ x: Double) -> Double { x < 0 ? alpha * expm1(x) : x }
}

/// Y = X, or alpha · (e^(X / alpha) - 1) below 0.
struct Celu: RealFunction {
  static let schema = Schema.map("Celu", since: 28, attributes: ["alpha": .float(1)])
  let alpha: Double

  init(_ attributes: Attributes) throws {
    alpha = try attributes.real("alpha")
    guard alpha != 0 else { throw DataError("alpha is 0") }
  }

  func value(_ x: Double) -> Double {
    Double.greatest(0, x) + Double.least(0, alpha * expm1(x / alpha))
  }
}

/// Y = gamma · X, or gamma · alpha · (e^X - 1) at and below 0.
struct Selu: RealFunction {
  static let schema = Schema.map(
    "Selu", since: 22, attributes: ["alpha": .float(1.673_263_2), "gamma": .float(1.050_701)])
  let alpha: Double
  let gamma: Double

  init(_ attributes: Attributes) throws {
    alpha = try attributes.real("alpha")
    gamma = try attributes.real("gamma")
  }

  func value(_ x: Double) -> Double { gamma * (x > 0 ? x : alpha * expm1(x)) }
}

extension Elu: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    let below = g.Mul(d, g.Add(y, try c.number(alpha)))
    return g.Where(g.Less(x, try c.number(0)), below, d)
  }
}

extension Celu: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    let below = g.Mul(d, g.Add(g.Div(y, try c.number(alpha)), try c.number(1)))
    return g.Where(g.Less(x, try c.number(0)), below, d)
  }
}

extension Selu: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    let below = g.Mul(d, g.Add(y, try c.number(gamma * alpha)))
    return g.Where(g.Greater(x, try c.number(0)), g.Mul(d, try c.number(gamma)), below)
  }
}
