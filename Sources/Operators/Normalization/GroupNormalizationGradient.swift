import GraphIR

/// The gradients of GroupNormalization with respect to X, scale and bias, from that of Y; scale and bias have one
/// number per channel. An operator of our own domain.
struct GroupNormalizationGradient: Operator {
  static let schema = Schema(
    "GroupNormalizationGradient", domain: "dsd", since: 1, inputs: ["X: T", "scale: T", "dY: T"],
    outputs: ["dX?: T", "dscale?: T", "dbias?: T"], types: ["T": .floats],
    attributes: ["epsilon": .float(1e-5), "num_groups": .none])
  let form: GroupNormalization

  init(_ attributes: Attributes) throws { form = try GroupNormalization(attributes, scalesGroups: false) }

  var aliasing: Aliasing { .inPlace([2, 0]) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    try NormalizationGradient.check(inputs)
    let x = try form.infer(InferenceInputs([inputs.type(0), inputs.type(1), inputs.type(1)]))[0]
    return try [x, inputs.type(1), inputs.type(1)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    inputs[0]?.dtype == .float64
      ? run(Double.self, inputs, outputs, context) : run(Float.self, inputs, outputs, context)
  }

  private func run<T: NormalizationScalar>(
    _ type: T.Type, _ inputs: [Tensor?], _ outputs: [Tensor?], _ context: RunContext
  ) {
    guard let kernel = NormalizationGradientKernel<T>(inputs, outputs, form.epsilon),
      let shape = inputs[0]?.shape
    else { return }
    let scratch = SharedScratch<Double>(Cost.product([2, shape[0], shape[1]]), context)
    kernel.groups(
      batch: shape[0], channels: shape[1], size: Shape.count(Array(shape[2...])), groups: form.groups,
      sums: scratch.base, context.pool)
  }

  func workspace(_ inputs: [TensorType?], threads: Int) -> Int {
    guard let shape = inputs[0]?.concreteShape, shape.count > 1 else { return 0 }
    return SharedScratch<Double>.byteCount(Cost.product([2, shape[0], shape[1]]))
  }
}

/// What the gradients of normalizations share.
enum NormalizationGradient {
  /// - Throws: `DataError` when dY is not shaped as X.
  static func check(_ inputs: InferenceInputs) throws {
    let (x, dY) = (try inputs.type(0), try inputs.type(2))
    guard x.agrees(with: dY) else { throw DataError("X is \(x) and dY \(dY), they must have one shape") }
  }
}

extension NormalizationGradientKernel {
  /// The kernel on X, scale and dY.
  init?(_ inputs: [Tensor?], _ outputs: [Tensor?], _ epsilon: Double) {
    guard let x = inputs[0], let scale = inputs[1], let dY = inputs[2] else { return nil }
    func output(_ position: Int) -> UnsafeMutablePointer<T>? {
      position < outputs.count ? outputs[position]?.pointer(as: T.self) : nil
    }
    self.init(
      x: x.pointer(as: T.self), dY: dY.pointer(as: T.self), scale: scale.pointer(as: T.self), dX: output(0),
      dScale: output(1), dBias: output(2), epsilon: epsilon)
  }
}
