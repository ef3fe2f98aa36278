import GraphIR

/// Y = X where X > alpha, else 0; NaN stays NaN.
struct ThresholdedRelu: RealFunction {
  static let schema = Schema.map("ThresholdedRelu", since: 22, attributes: ["alpha": .float(1)])
  let alpha: Double

  init(_ attributes: Attributes) throws {
    alpha = try attributes.real("alpha")
  }

  func value(_ x: Double) -> Double { x <= alpha ? 0 : x }
}

/// Y = X + bias below -lambd, X - bias above lambd, 0 between. Integers truncate toward zero and saturate.
struct Shrink: Operator {
  static let schema = Schema.map(
    "Shrink", since: 9, types: .numbers, attributes: ["bias": .float(0), "lambd": .float(0.5)])
  let bias: Double
  let lambda: Double

  init(_ attributes: Attributes) throws {
    bias = try attributes.real("bias")
    lambda = try attributes.real("lambd")
  }

  var aliasing: Aliasing { .inPlace([0]) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] { [try inputs.type(0)] }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = outputs[0] else { return }
    try x.dtype.visit(Run(x: x, y: y, pool: context.pool, bias: bias, lambda: lambda))
  }

  private struct Run: ArithmeticVisitor {
    let x: Tensor
    let y: Tensor
    let pool: ThreadPool
    let bias: Double
    let lambda: Double

    func visit<T: ArithmeticElement>(_ type: T.Type) {
      UnaryKernel.map(x, y, pool, from: type, to: type) {
        let value = $0.double
        return value < -lambda
          ? T(rounding: value + bias) : value > lambda ? T(rounding: value - bias) : .zero
      }
    }
  }
}

extension ThresholdedRelu: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    try c.masked(d, where: c.graph.Greater(x, try c.number(alpha)))
  }
}

extension Shrink: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    return try c.masked(d, where: g.Greater(g.Abs(x), try c.number(lambda)))
  }
}
