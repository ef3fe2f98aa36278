import CKernels
import GraphIR

#if canImport(Glibc)
  import Glibc
#endif

/// Z = X to the power of Y; Z has X's type, Y may have another one. Integer powers of integers wrap.
struct Pow: Operator {
  static let schema = Schema(
    "Pow", since: 15, inputs: ["X: T", "Y: T1"], outputs: ["Z: T"],
    types: ["T": .numbers, "T1": .numbers])

  init(_ attributes: Attributes) {}

  var aliasing: Aliasing { .inPlace([0]) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] { [try Elementwise.pairType(inputs)] }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let exponent = inputs[1], let z = outputs[0] else { return }
    if z.dtype == .float32, exponent.count == 1, x.count == z.count {
      switch exponent.converted(to: .float64).array(of: Double.self)[0] {
      case 1: return z.assign(x)
      case 2:
        return UnaryKernel.map(x, z, context.pool) { ck_mul_vv($0, $0, $1, $2) }
      case 3:
        return UnaryKernel.map(x, z, context.pool, from: Float.self, to: Float.self) { $0 * $0 * $0 }
      // pow and sqrt differ at -0 and -inf, which only matters to those values: keep the exact form there.
      case 0.5:
        return UnaryKernel.map(x, z, context.pool, from: Float.self, to: Float.self) {
          $0 == -.infinity ? .infinity : $0.squareRoot() + 0
        }
      default: break
      }
    }
    if x.dtype.isInteger, exponent.dtype.isInteger {
      // Exponents above 2^63 occur in uint64 only and mean nothing but a wrapped result.
      let wide = exponent.converted(to: .int64)
      try x.dtype.visit(IntegerRun(x: x, exponent: wide, z: z, pool: context.pool))
    } else {
      try x.dtype.visit(
        RealRun(x: x, exponent: exponent.converted(to: .float64), z: z, pool: context.pool))
    }
  }

  private struct RealRun: ArithmeticVisitor {
    let x: Tensor
    let exponent: Tensor
    let z: Tensor
    let pool: ThreadPool

    func visit<T: ArithmeticElement>(_ type: T.Type) {
      BinaryKernel.map(x, exponent, z, pool, (type, Double.self, type)) {
        T(rounding: pow($0.double, $1))
      }
    }
  }

  private struct IntegerRun: ArithmeticVisitor {
    let x: Tensor
    let exponent: Tensor
    let z: Tensor
    let pool: ThreadPool

    func visit<T: ArithmeticElement>(_ type: T.Type) {
      BinaryKernel.map(x, exponent, z, pool, (type, Int64.self, type)) { T.power($0, $1) }
    }
  }
}

extension Pow: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let (g, d, x, z) = (context.graph, try context.gradient(), context.input(0), try context.output())
    let kind = try context.dtype()
    func number(_ value: Value) throws -> Value {
      g.Cast(value, attributes: ["to": .int(Int(kind.rawValue))])
    }
    let exponent = try context.dtype(1) == kind ? context.input(1) : try number(context.input(1))
    var first: Value?
    if context.wants(0) {
      let slope = g.Mul(exponent, g.Pow(x, g.Sub(exponent, try context.number(1))))
      first = try context.sum(g.Mul(d, slope), to: 0)
    }
    guard context.wants(1) else { return [first] }
    // Where x is not positive the logarithm is none, and z is 0 or not differentiable by the exponent.
    let zero = try context.number(0)
    let slope = g.Where(g.Greater(x, zero), g.Mul(z, g.Log(x)), zero)
    let second = try context.sum(g.Mul(d, slope), to: 1)
    let own = try context.dtype(1)
    return [first, own == kind ? second : g.Cast(second, attributes: ["to": .int(Int(own.rawValue))])]
  }
}
