import CKernels
import GraphIR

/// Y = A · Gelu(B), A and B the halves of X along its last axis: the feed-forward layer's gate in transformer blocks of
/// Stable Diffusion.
///
/// An operator of our own domain, made from Split, Gelu and Mul: one pass over memory in the place of three.
struct GEGLU: Operator {
  static let schema = Schema(
    "GEGLU", domain: "dsd", since: 1, inputs: ["X: T"], outputs: ["Y: T"], types: ["T": .floats],
    attributes: ["approximate": .string("none")])
  let gate: Gelu

  init(_ attributes: Attributes) throws { gate = try Gelu(attributes) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let type = try inputs.type(0)
    guard var shape = type.shape else { return [type] }
    guard let last = shape.last else { throw DataError("the input is a scalar") }
    if let extent = last.value {
      guard extent % 2 == 0 else { throw DataError("the last axis has \(extent) elements, an odd number") }
      shape[shape.count - 1] = .known(extent / 2)
    } else {
      shape[shape.count - 1] = .unknown
    }
    return [TensorType(type.dtype, shape)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = outputs[0], y.count > 0 else { return }
    let half = y.shape[y.rank - 1]
    // Rows whose halves stay near while both are gone over.
    let (rows, each) = (y.count / half, max(1, (1 << 14) / half))
    func forEachPart(_ body: (Range<Int>) -> Void) {
      context.pool.forEach((rows + each - 1) / each) { body($0 * each..<min(rows, ($0 + 1) * each)) }
    }
    switch x.dtype {
    case .float32:
      let (source, target, gelu) = (x.pointer(as: Float.self), y.pointer(as: Float.self), gate.vector!)
      forEachPart { part in
        for row in part {
          let (a, out) = (source + row * 2 * half, target + row * half)
          gelu(a + half, out, half)
          ck_mul_vv(a, out, out, half)
        }
      }
    case .float64:
      let (source, target) = (x.pointer(as: Double.self), y.pointer(as: Double.self))
      forEachPart { part in
        for row in part {
          let (a, out) = (source + row * 2 * half, target + row * half)
          for i in 0..<half { out[i] = a[i] * gate.value(a[half + i]) }
        }
      }
    default: throw DataError("cannot gate \(x.dtype)")
    }
  }
}

extension GEGLU: ComposedOperator {
  func body(_ call: Composition) throws -> [Value?] {
    let parts = call.halves(try call.input(0))
    let gelu = try gate.body(
      Composition(call.g, inputs: [parts[1]], types: call.types, wanted: [true], opset: call.opset))
    return [call.g.Mul(parts[0], gelu[0]!)]
  }
}

extension Composition {
  /// The halves along the last axis, in the form that the opset has.
  fileprivate func halves(_ x: Value) -> [Value] {
    let count: [String: Attribute] = opset >= 18 ? ["num_outputs": .int(2)] : [:]
    return g.emit("Split", [x], count.merging(["axis": .int(-1)]) { $1 }, outputs: 2)
  }
}

extension GEGLU: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    guard context.wants(0) else { return [nil] }
    let (g, d, kind) = (
      context.graph, try context.gradient(), Attribute.string(gate.usesTanh ? "tanh" : "none")
    )
    let half = try context.outputShape().last!
    let parts = g.emit(
      "Split", [context.input(0), g.ints([half, half], "split")], ["axis": .int(-1)], outputs: 2)
    let gelu = g.emit("Gelu", [parts[1]], ["approximate": kind])[0]
    let inner = context.fused(
      "GeluGradient", [parts[1], g.Mul(d, parts[0])], ["approximate": kind], for: 0..<1)
    return [g.Concat(g.Mul(d, gelu), inner[0]!, attributes: ["axis": .int(-1)])]
  }
}
