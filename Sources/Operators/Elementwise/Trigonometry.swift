import GraphIR

#if canImport(Glibc)
  import Glibc
#endif

// float32 goes through float64's functions: correctly rounded but for rare ties, and rare in these models.

/// The sine of X in radians.
struct Sin: RealFunction {
  static let schema = Schema.map("Sin", since: 22)
  init(_ attributes: Attributes) {}
  func value(_ x: Double) -> Double { sin(x) }
}

/// The cosine of X in radians.
struct Cos: RealFunction {
  static let schema = Schema.map("Cos", since: 22)
  init(_ attributes: Attributes) {}
  func value(_ x: Double) -> Double { cos(x) }
}

/// The tangent of X in radians.
struct Tan: RealFunction {
  static let schema = Schema.map("Tan", since: 22)
  init(_ attributes: Attributes) {}
  func value(_ x: Double) -> Double { tan(x) }
}

/// The hyperbolic sine.
struct Sinh: RealFunction {
  static let schema = Schema.map("Sinh", since: 22)
  init(_ attributes: Attributes) {}
  func value(_ x: Double) -> Double { sinh(x) }
}

/// The hyperbolic cosine.
struct Cosh: RealFunction {
  static let schema = Schema.map("Cosh", since: 22)
  init(_ attributes: Attributes) {}
  func value(_ x: Double) -> Double { cosh(x) }
}

/// The arc sine in radians; NaN outside [-1, 1].
struct Asin: RealFunction {
  static let schema = Schema.map("Asin", since: 22)
  init(_ attributes: Attributes) {}
  func value(_ x: Double) -> Double { asin(x) }
}

/// The arc cosine in radians; NaN outside [-1, 1].
struct Acos: RealFunction {
  static let schema = Schema.map("Acos", since: 22)
  init(_ attributes: Attributes) {}
  func value(_ x: Double) -> Double { acos(x) }
}

/// The arc tangent in radians.
struct Atan: RealFunction {
  static let schema = Schema.map("Atan", since: 22)
  init(_ attributes: Attributes) {}
  func value(_ x: Double) -> Double { atan(x) }
}

/// The inverse of the hyperbolic sine.
struct Asinh: RealFunction {
  static let schema = Schema.map("Asinh", since: 22)
  init(_ attributes: Attributes) {}
  func value(_ x: Double) -> Double { asinh(x) }
}

/// The inverse of the hyperbolic cosine; NaN below 1.
struct Acosh: RealFunction {
  static let schema = Schema.map("Acosh", since: 22)
  init(_ attributes: Attributes) {}
  func value(_ x: Double) -> Double { acosh(x) }
}

/// The inverse of the hyperbolic tangent; NaN outside [-1, 1].
struct Atanh: RealFunction {
  static let schema = Schema.map("Atanh", since: 22)
  init(_ attributes: Attributes) {}
  func value(_ x: Double) -> Double { atanh(x) }
}

extension Sin: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    return g.Mul(d, g.Cos(x))
  }
}

extension Cos: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    return g.Neg(g.Mul(d, g.Sin(x)))
  }
}

extension Tan: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    return g.Mul(d, g.Add(g.Mul(y, y), try c.number(1)))
  }
}

extension Sinh: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    return g.Mul(d, g.Cosh(x))
  }
}

extension Cosh: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    return g.Mul(d, g.Sinh(x))
  }
}

extension Asin: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    return g.Div(d, g.Sqrt(g.Sub(try c.number(1), g.Mul(x, x))))
  }
}

extension Acos: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    return g.Neg(g.Div(d, g.Sqrt(g.Sub(try c.number(1), g.Mul(x, x)))))
  }
}

extension Atan: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    return g.Div(d, g.Add(g.Mul(x, x), try c.number(1)))
  }
}

extension Asinh: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    return g.Div(d, g.Sqrt(g.Add(g.Mul(x, x), try c.number(1))))
  }
}

extension Acosh: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    return g.Div(d, g.Sqrt(g.Sub(g.Mul(x, x), try c.number(1))))
  }
}

extension Atanh: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    return g.Div(d, g.Sub(try c.number(1), g.Mul(x, x)))
  }
}
