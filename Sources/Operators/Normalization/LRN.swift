import GraphIR

#if canImport(Glibc)
  import Glibc
#endif

/// Y = X / (bias + alpha / size · Σ X²)^beta, the sum over `size` neighbouring channels of `[N, C, D1, …]`.
struct LRN: Operator {
  static let schema = Schema.map(
    "LRN", since: 13,
    attributes: ["alpha": .float(0.0001), "beta": .float(0.75), "bias": .float(1), "size": .none])
  let alpha: Double
  let beta: Double
  let bias: Double
  let size: Int

  init(_ attributes: Attributes) throws {
    alpha = try attributes.real("alpha")
    beta = try attributes.real("beta")
    bias = try attributes.real("bias")
    size = try attributes.required("size", attributes.int("size"))
    guard size >= 1, size <= Int(Int32.max) else { throw DataError("size is \(size)") }
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let type = try inputs.type(0)
    if let rank = type.rank, rank < 2 { throw DataError("the input has rank \(rank), at least 2 is needed") }
    return [type]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = outputs[0], x.count > 0 else { return }
    try x.dtype.visit(Run(x: x, y: y, form: self, pool: context.pool))
  }

  private struct Run: ArithmeticVisitor {
    let x: Tensor
    let y: Tensor
    let form: LRN
    let pool: ThreadPool

    func visit<T: ArithmeticElement>(_ type: T.Type) {
      let (channels, inner) = (x.shape[1], Shape.count(Array(x.shape[2...])))
      let (from, to) = (x.pointer(as: type), y.pointer(as: type))
      let (before, after) = ((form.size - 1) / 2, form.size / 2)
      pool.forRanges(x.shape[0] * channels, grain: max(1, 16384 / (inner * form.size))) { range in
        for item in range {
          let channel = item % channels
          let image = (item - channel) * inner
          let window = max(0, channel - before)...min(channels - 1, channel + after)
          for position in 0..<inner {
            var sum = 0.0
            for other in window {
              let value = from[image + other * inner + position].double
              sum += value * value
            }
            let scale = pow(form.bias + form.alpha / Double(form.size) * sum, form.beta)
            to[item * inner + position] = T(rounding: from[item * inner + position].double / scale)
          }
        }
      }
    }
  }
}
