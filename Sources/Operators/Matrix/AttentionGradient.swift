import GraphIR

/// The gradients of attention with respect to Q, K and V, from those of its result and of its log-sum-exp.
///
/// An operator of our own domain. Inputs and attributes are those of `dsd.Attention` without past keys and padding
/// lengths; `Y` and `lse` are what it gave, `dY` and `dlse` the gradients of either (absent ones are zero). `Y` is
/// needed beside `dY` only. No probability matrix is ever held.
struct AttentionGradient: Operator {
  static let schema = Schema(
    "AttentionGradient", domain: "dsd", since: 1,
    inputs: [
      "Q: T1", "K: T1", "V: T2", "attn_mask?: U", "Y?: T1", "lse: L", "dY?: T1", "dlse?: L",
    ],
    outputs: ["dQ?: T1", "dK?: T1", "dV?: T2"],
    types: AttentionForm.types.merging(["L": [.float32, .float64]]) { $1 },
    attributes: AttentionForm.attributes.filter { $0.key != "qk_matmul_output_mode" })

  let form: AttentionForm

  init(_ attributes: Attributes) throws { form = try AttentionForm(attributes, padsMask: false) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let extents = try form.extents(Array(inputs.types.prefix(4)))
    guard inputs.has(4) == inputs.has(6) else { throw DataError("Y and dY go together") }
    let rows = Array(extents.scores.dropLast())
    let result = extents.isPacked == nil ? nil : extents.result
    for (name, position, expected) in [
      ("Y", 4, result), ("lse", 5, rows), ("dY", 6, result), ("dlse", 7, rows),
    ] {
      guard inputs.has(position), let expected else { continue }
      let type = try inputs.type(position)
      guard type.agrees(with: TensorType(type.dtype, expected)) else {
        throw DataError("\(name) is \(type), it must be \(Elementwise.text(expected))")
      }
    }
    return try (0..<3).map(inputs.type)
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    let extents = try form.extents(inputs.prefix(4).map { $0.map { TensorType($0.dtype, $0.shape) } })
    guard let shape = AttentionShape(extents), let query = inputs[0] else { return }
    try form.widened(query.dtype, inputs, outputs) { dtype, wide, wideOutputs in
      switch dtype {
      case .float32: try run(Float.self, shape, wide, wideOutputs, context)
      case .float64: try run(Double.self, shape, wide, wideOutputs, context)
      default: throw DataError("cannot attend over \(dtype)")
      }
    }
  }

  private func run<T: MatrixScalar>(
    _ type: T.Type, _ shape: AttentionShape, _ inputs: [Tensor?], _ outputs: [Tensor?],
    _ context: RunContext
  ) throws {
    func input(_ position: Int) -> UnsafePointer<T>? {
      position < inputs.count ? inputs[position].map { UnsafePointer($0.pointer(as: type)) } : nil
    }
    func output(_ position: Int) -> UnsafeMutablePointer<T>? {
      position < outputs.count ? outputs[position]?.pointer(as: type) : nil
    }
    func result(_ position: Int) -> HeadView<T>? {
      input(position).map { shape.view($0, shape.queryHeads, shape.queries, shape.valueSize) }
    }
    guard let q = input(0), let k = input(1), let v = input(2), let lse = input(5) else { return }
    try BLAS.check(shape.queries, shape.keys, shape.queryHeads * max(shape.headSize, shape.valueSize))
    AttentionGradientKernel<T>(
      shape: shape, q: shape.view(q, shape.queryHeads, shape.queries, shape.headSize),
      k: shape.view(k, shape.keyHeads, shape.keys, shape.headSize),
      v: shape.view(v, shape.keyHeads, shape.keys, shape.valueSize), y: result(4), dY: result(6), lse: lse,
      dlse: input(7), scale: form.factor(shape), softcap: T(form.softcap),
      hiding: AttentionHiding(shape, form, mask: inputs[3], lengths: nil), dQ: output(0), dK: output(1),
      dV: output(2)
    ).run(context)
  }

  func workspace(_ inputs: [TensorType?], threads: Int) -> Int {
    guard let extents = try? form.extents(Array(inputs.prefix(4))), let shape = AttentionShape(extents)
    else { return 0 }
    let tiling = AttentionGradientTiling(shape, capped: form.softcap > 0)
    return inputs[0]?.dtype == .float64 || form.softmaxPrecision == .float64
      ? tiling.byteCount(Double.self, threads: threads) : tiling.byteCount(Float.self, threads: threads)
  }

  /// Scores and all gradients.
  func multiplyAdds(_ inputs: [TensorType?], _ outputs: [TensorType]) -> Int {
    guard let extents = try? form.extents(Array(inputs.prefix(4))), let size = extents.headSize.value,
      let valueSize = extents.valueSize.value
    else { return 0 }
    let widths = 3 * min(size, 1 << 40) + 2 * min(valueSize, 1 << 40)
    return Cost.product(TensorType(.float32, extents.scores), .known(widths))
  }
}
