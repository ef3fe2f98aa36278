import GraphIR

extension SiLU: ComposedOperator {
  func body(_ call: Composition) throws -> [Value?] {
    let x = try call.input(0)
    return [call.g.Mul(x, call.g.Sigmoid(x))]
  }
}

extension Swish: ComposedOperator {
  func body(_ call: Composition) throws -> [Value?] {
    let x = try call.input(0)
    return [call.g.Mul(x, call.g.Sigmoid(call.g.Mul(x, call.number(Double(alpha), try call.dtype(0)))))]
  }
}

extension Gelu: ComposedOperator {
  func body(_ call: Composition) throws -> [Value?] {
    let g = call.g
    let (x, dtype) = (try call.input(0), try call.dtype(0))
    func number(_ value: Double) -> Value { call.number(value, dtype) }
    let curve: Value
    if usesTanh {
      let slope = g.Add(number(1), g.Mul(g.Mul(x, x), number(0.044715)))
      curve = g.Tanh(g.Mul(g.Mul(x, number((2 / Double.pi).squareRoot())), slope))
    } else {
      curve = g.Erf(g.Mul(x, number(0.5.squareRoot())))
    }
    return [g.Mul(g.Mul(x, number(0.5)), g.Add(number(1), curve))]
  }
}

extension SwishGradient: ComposedOperator {
  func body(_ call: Composition) throws -> [Value?] {
    let g = call.g
    let (x, dtype) = (try call.input(0), try call.dtype(0))
    let z = alpha == 1 ? x : g.Mul(x, call.number(Double(alpha), dtype))
    let s = g.Sigmoid(z)
    let one = call.number(1, dtype)
    return [g.Mul(try call.input(1), g.Mul(s, g.Add(one, g.Mul(z, g.Sub(one, s)))))]
  }
}

extension GeluGradient: ComposedOperator {
  func body(_ call: Composition) throws -> [Value?] {
    let g = call.g
    let (x, dtype) = (try call.input(0), try call.dtype(0))
    func number(_ value: Double) -> Value { call.number(value, dtype) }
    let square = g.Mul(x, x)
    let root = (2 / Double.pi).squareRoot()
    let one = number(1)
    // Half of both summands of the slope.
    let (share, rise): (Value, Value)
    if usesTanh {
      let t = g.Tanh(g.Mul(g.Mul(x, number(root)), g.Add(one, g.Mul(square, number(0.044715)))))
      share = g.Add(one, t)
      rise = g.Mul(
        g.Mul(x, g.Sub(one, g.Mul(t, t))), g.Add(number(root), g.Mul(square, number(3 * 0.044715 * root))))
    } else {
      share = g.Add(one, g.Erf(g.Mul(x, number(0.5.squareRoot()))))
      rise = g.Mul(g.Mul(x, number(root)), g.Exp(g.Mul(square, number(-0.5))))
    }
    return [g.Mul(try call.input(1), g.Mul(number(0.5), g.Add(share, rise)))]
  }
}
