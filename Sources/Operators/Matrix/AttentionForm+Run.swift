import GraphIR

extension AttentionForm {
  /// Writes the wanted ones of Y, present_key, present_value, qk_matmul_output and (if there) lse.
  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    let extents = try extents(inputs.map { $0.map { TensorType($0.dtype, $0.shape) } })
    guard let shape = AttentionShape(extents) else { throw DataError("the extents are not known") }
    guard let query = inputs[0] else { return }
    try widened(query.dtype, inputs, outputs) { dtype, wide, wideOutputs in
      switch dtype {
      case .float32:
        if let attention = byPanels(shape, wide, wideOutputs) { return attention.run(context) }
        try run(Float.self, shape, wide, wideOutputs, context)
      case .float64: try run(Double.self, shape, wide, wideOutputs, context)
      default: throw DataError("cannot attend over \(dtype)")
      }
    }
  }

  /// Runs `body` with all floating-point tensors of the type that is computed in: a softmax in float64 asked of
  /// narrower inputs widens the whole computation.
  func widened(
    _ query: DType, _ inputs: [Tensor?], _ outputs: [Tensor?],
    _ body: (DType, [Tensor?], [Tensor?]) throws -> Void
  ) rethrows {
    let dtype = softmaxPrecision == .float64 ? .float64 : query
    // A mask may be boolean or of any number type; lengths stay integers.
    let wide = inputs.enumerated().map { position, input in
      input.map { $0.dtype.isFloat || position == 3 && $0.dtype != .bool ? $0.converted(to: dtype) : $0 }
    }
    let wideOutputs = outputs.map { output in
      output.map { $0.dtype == dtype ? $0 : Tensor(dtype, $0.shape) }
    }
    try body(dtype, wide, wideOutputs)
    for (wide, output) in zip(wideOutputs, outputs) {
      if let wide, let output, wide.dtype != output.dtype { output.assign(wide.converted(to: output.dtype)) }
    }
  }

  /// The attention by panels; nil where it takes the other kernel.
  private func byPanels(_ shape: AttentionShape, _ inputs: [Tensor?], _ outputs: [Tensor?]) -> PanelAttention?
  {
    func has(_ list: [Tensor?], _ position: Int) -> Bool { position < list.count && list[position] != nil }
    guard !has(outputs, 1), !has(outputs, 2), let q = inputs[0], let k = inputs[1], let v = inputs[2],
      let plan = PanelAttentionPlan(
        shape, self, hasMask: has(inputs, 3), hasLengths: has(inputs, 6), keepsScores: has(outputs, 3))
    else { return nil }
    func output(_ position: Int) -> UnsafeMutablePointer<Float>? {
      position < outputs.count ? outputs[position]?.pointer(as: Float.self) : nil
    }
    return PanelAttention(
      plan: plan, q: shape.view(q.pointer(as: Float.self), shape.queryHeads, shape.queries, shape.headSize),
      k: shape.view(k.pointer(as: Float.self), shape.keyHeads, shape.keys, shape.headSize),
      v: shape.view(v.pointer(as: Float.self), shape.keyHeads, shape.keys, shape.valueSize),
      scale: factor(shape), y: output(0), logSumExp: output(4))
  }

  private func run<T: MatrixScalar>(
    _ type: T.Type, _ shape: AttentionShape, _ inputs: [Tensor?], _ outputs: [Tensor?],
    _ context: RunContext
  ) throws {
    func input(_ position: Int) -> UnsafePointer<T>? {
      guard position < inputs.count, let tensor = inputs[position] else { return nil }
      return UnsafePointer(tensor.pointer(as: type))
    }
    func output(_ position: Int) -> UnsafeMutablePointer<T>? {
      position < outputs.count ? outputs[position]?.pointer(as: type) : nil
    }
    guard let q = input(0), let k = input(1), let v = input(2) else { return }
    try BLAS.check(
      shape.queries, shape.total, shape.queryHeads * max(shape.headSize, shape.valueSize))
    let lengths = inputs.count > 6 ? inputs[6]?.array(of: Int64.self) : nil
    let kernel = AttentionKernel<T>(
      shape: shape, q: shape.view(q, shape.queryHeads, shape.queries, shape.headSize),
      keys: shape.parts(past: input(4), new: k, size: shape.headSize),
      values: shape.parts(past: input(5), new: v, size: shape.valueSize),
      scale: factor(shape), softcap: T(softcap),
      hiding: AttentionHiding(shape, self, mask: inputs.count > 3 ? inputs[3] : nil, lengths: lengths),
      y: output(0), scores: output(3), stage: stage, logSumExp: output(4))
    kernel.run(context)
    for (target, parts, size) in [
      (output(1), kernel.keys, shape.headSize), (output(2), kernel.values, shape.valueSize),
    ] {
      if let target { shape.join(parts, size, into: target, context.pool) }
    }
  }

  /// What scores are multiplied by.
  func factor<T: MatrixScalar>(_ shape: AttentionShape) -> T {
    scale.map { T($0) } ?? 1 / T(shape.headSize).squareRoot()
  }

  func workspace(_ inputs: [TensorType?], threads: Int) -> Int {
    guard let extents = try? extents(inputs), let shape = AttentionShape(extents) else { return 0 }
    let count = AttentionTiling(shape).scratchCount
    guard inputs[0]?.dtype != .float64, softmaxPrecision != .float64 else {
      return SlottedScratch<Double>.byteCount(count, threads: threads)
    }
    // Which outputs are wanted is not known here: where scores are kept, it is the other kernel's.
    let plan = PanelAttentionPlan(
      shape, self, hasMask: inputs.count > 3 && inputs[3] != nil,
      hasLengths: inputs.count > 6 && inputs[6] != nil, keepsScores: false)
    return max(
      plan?.byteCount(threads: threads) ?? 0, SlottedScratch<Float>.byteCount(count, threads: threads))
  }
}
