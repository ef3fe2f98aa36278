import CKernels
import GraphIR

#if canImport(Glibc)
  import Glibc
#endif

/// The gradient of an operator that maps a float tensor element by element: dX = f′(X) · dY.
protocol GradientFunction: Operator {
  /// f′.
  func slope(_ x: Double) -> Double
  /// dX of `n` float32 elements, from X and dY; all may be the same memory.
  var vector: FloatPairMap { get }
}

/// z[i] = f(x[i], y[i]) over `n` float32 elements.
typealias FloatPairMap = (UnsafePointer<Float>, UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) ->
  Void

extension GradientFunction {
  var aliasing: Aliasing { .inPlace([1, 0]) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let (x, dY) = (try inputs.type(0), try inputs.type(1))
    guard x.agrees(with: dY) else { throw DataError("X is \(x) and dY \(dY), they must have one shape") }
    return [x]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let dY = inputs[1], let dX = outputs[0] else { return }
    context.pool.forRanges(x.count, grain: Elementwise.grain) { range in
      let first = range.lowerBound
      if x.dtype == .float64 {
        let (from, above, to) = (
          x.pointer(as: Double.self), dY.pointer(as: Double.self), dX.pointer(as: Double.self)
        )
        for i in range { to[i] = slope(from[i]) * above[i] }
      } else {
        vector(
          x.pointer(as: Float.self) + first, dY.pointer(as: Float.self) + first,
          dX.pointer(as: Float.self) + first, range.count)
      }
    }
  }
}

extension Schema {
  /// X and dY of type T to dX of the same type and shape, in our own domain.
  static func gradient(_ name: String, attributes: [String: Default] = [:]) -> Schema {
    Schema(
      name, domain: "dsd", since: 1, inputs: ["X: T", "dY: T"], outputs: ["dX: T"], types: ["T": .floats],
      attributes: attributes)
  }
}

/// The gradient of X · sigmoid(alpha · X): with s = sigmoid(alpha · X), dX = dY · (s + alpha · X · s · (1 − s)).
struct SwishGradient: GradientFunction {
  static let schema = Schema.gradient("SwishGradient", attributes: ["alpha": .float(1)])
  let alpha: Float

  init(_ attributes: Attributes) throws {
    alpha = try attributes.required("alpha", attributes.float("alpha"))
  }

  var vector: FloatPairMap { { [alpha] in ck_swish_gradient_f32($0, $1, $2, $3, alpha) } }

  func slope(_ x: Double) -> Double {
    // Far out the slope is 0 or 1, and infinity times 0 is no number.
    let z = min(max(Double(alpha) * x, -1000), 1000)
    let e = exp(-abs(z))
    return (z < 0 ? e : 1) / (1 + e) + z * e / ((1 + e) * (1 + e))
  }
}

/// The gradient of Gelu: dX = dY · (Φ(X) + X · φ(X)), or that of its approximation by tanh.
struct GeluGradient: GradientFunction {
  static let schema = Schema.gradient("GeluGradient", attributes: ["approximate": .string("none")])
  let usesTanh: Bool

  init(_ attributes: Attributes) throws { usesTanh = try Gelu(attributes).usesTanh }

  var vector: FloatPairMap { usesTanh ? ck_gelu_tanh_gradient_f32 : ck_gelu_gradient_f32 }

  func slope(_ x: Double) -> Double {
    let x = min(max(x, -100), 100)
    guard usesTanh else {
      return 0.5 * erfc(-x * 0.5.squareRoot()) + x * exp(-0.5 * x * x) / (2 * Double.pi).squareRoot()
    }
    let root = (2 / Double.pi).squareRoot()
    let t = tanh(root * (x + 0.044715 * x * x * x))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * root * (1 + 3 * 0.044715 * x * x)
  }
}
