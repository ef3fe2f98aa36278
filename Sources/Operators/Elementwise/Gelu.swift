import CKernels
import GraphIR

#if canImport(Glibc)
  import Glibc
#endif

/// Y = X Φ(X), Φ the normal distribution; `approximate` "tanh" is the usual approximation,
/// X/2 · (1 + tanh(√(2/π) (X + 0.044715 X³))).
struct Gelu: RealFunction {
  static let schema = Schema.map("Gelu", since: 20, attributes: ["approximate": .string("none")])
  let usesTanh: Bool

  init(_ attributes: Attributes) throws {
    let name = try attributes.string("approximate") ?? "none"
    guard name == "none" || name == "tanh" else {
      throw DataError("approximate is '\(name)', it must be 'none' or 'tanh'")
    }
    usesTanh = name == "tanh"
  }

  var vector: FloatMap? { usesTanh ? ck_gelu_tanh_f32 : ck_gelu_f32 }

  func value(_ x: Double) -> Double {
    usesTanh
      ? 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
      : 0.5 * x * erfc(-x * 0.5.squareRoot())
  }
}

/// Y = X · sigmoid(alpha · X).
struct Swish: RealFunction {
  static let schema = Schema.map("Swish", since: 24, attributes: ["alpha": .float(1)])
  let alpha: Float

  init(_ attributes: Attributes) throws {
    alpha = try attributes.required("alpha", attributes.float("alpha"))
  }

  var vector: FloatMap? {
    { [alpha] in alpha == 1 ? ck_silu_f32($0, $1, $2) : ck_swish_f32($0, $1, $2, alpha) }
  }

  func value(_ x: Double) -> Double { x / (1 + exp(-Double(alpha) * x)) }
}

/// Y = X · tanh(ln(1 + e^X)).
struct Mish: RealFunction {
  static let schema = Schema.map("Mish", since: 22)
  init(_ attributes: Attributes) {}
  func value(_ x: Double) -> Double { x * tanh(Double.greatest(x, 0) + log1p(exp(-abs(x)))) }
}

/// Y = A · sigmoid(alpha · A) · B, for A and B of one shape.
struct SwiGLU: Operator {
  static let schema = Schema(
    "SwiGLU", since: 28, inputs: ["A: T", "B: T"], outputs: ["Y: T"], types: ["T": .floats],
    attributes: ["alpha": .float(1)])
  let gate: Swish

  init(_ attributes: Attributes) throws { gate = try Swish(attributes) }

  var aliasing: Aliasing { .inPlace([0]) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let (a, b) = (try inputs.type(0), try inputs.type(1))
    guard a.agrees(with: b) else { throw DataError("A is \(a) and B \(b), they must have one shape") }
    return [a]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let b = inputs[1], let y = outputs[0] else { return }
    try gate.run(inputs, into: outputs, context)
    try Mul.run(y, b, y, context.pool)
  }
}

/// Y = X · sigmoid(X): our own operator, one pass where older opsets need two nodes.
struct SiLU: RealFunction {
  static let schema = Schema.map("SiLU", domain: "dsd", since: 1)
  init(_ attributes: Attributes) {}
  var vector: FloatMap? { ck_silu_f32 }
  func value(_ x: Double) -> Double { x / (1 + exp(-x)) }
}

extension Mish: DifferentiableFunction {
  func derivative(_ c: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value {
    let g = c.graph
    let t = g.Tanh(g.Softplus(x))
    let inner = g.Mul(g.Mul(x, g.Sub(try c.number(1), g.Mul(t, t))), g.Sigmoid(x))
    return g.Mul(d, g.Add(t, inner))
  }
}
