import GraphIR

/// The gradients of LayerNormalization with respect to X, Scale and B, from that of Y. Scale has the shape of X from
/// `axis` on. An operator of our own domain.
struct LayerNormalizationGradient: Operator {
  static let schema = Schema(
    "LayerNormalizationGradient", domain: "dsd", since: 1, inputs: ["X: T", "Scale: T", "dY: T"],
    outputs: ["dX?: T", "dScale?: T", "dB?: T"], types: ["T": .floats],
    attributes: ["axis": .int(-1), "epsilon": .float(1e-5)])
  let axis: Int
  let epsilon: Double

  init(_ attributes: Attributes) throws {
    axis = try attributes.required("axis", attributes.int("axis"))
    epsilon = try attributes.real("epsilon")
  }

  var aliasing: Aliasing { .inPlace([2, 0]) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let (x, scale) = (try inputs.type(0), try inputs.type(1))
    try NormalizationGradient.check(inputs)
    if let shape = x.shape {
      let row = Array(shape[try InferenceInputs.axis(axis, rank: shape.count)...])
      guard scale.agrees(with: TensorType(x.dtype, row)) else {
        throw DataError("Scale is \(scale), it must be \(Elementwise.text(row))")
      }
    }
    return [x, scale, scale]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    inputs[0]?.dtype == .float64
      ? run(Double.self, inputs, outputs, context) : run(Float.self, inputs, outputs, context)
  }

  private func run<T: NormalizationScalar>(
    _ type: T.Type, _ inputs: [Tensor?], _ outputs: [Tensor?], _ context: RunContext
  ) {
    guard let kernel = NormalizationGradientKernel<T>(inputs, outputs, epsilon), let x = inputs[0],
      let n = inputs[1]?.count
    else { return }
    let rows = n == 0 ? 0 : x.count / n
    let scratch = SharedScratch<Double>(Self.sumCount(rows, n), context)
    kernel.rows(rows, n, sums: scratch.base, context.pool)
  }

  func workspace(_ inputs: [TensorType?], threads: Int) -> Int {
    guard let count = inputs[0]?.concreteShape.flatMap(Shape.checkedCount),
      let n = inputs[1]?.concreteShape.flatMap(Shape.checkedCount), n > 0
    else { return 0 }
    return SharedScratch<Double>.byteCount(Self.sumCount(count / n, n))
  }

  private static func sumCount(_ rows: Int, _ n: Int) -> Int {
    Cost.product([2, NormalizationGradientKernel<Float>.parts(rows), n])
  }
}
