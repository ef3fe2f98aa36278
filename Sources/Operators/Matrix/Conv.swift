import GraphIR

/// Y[n, o, p] = Σ W[o, c, k] · X[n, c, p · stride + k · dilation − pad] + B[o], with channels in groups.
///
/// X is [N, C, D1, …], W [O, C / group, K1, …]; one, two or three spatial axes.
struct Conv: Operator {
  static let schema = Schema(
    "Conv", since: 22, inputs: ["X: T", "W: T", "B?: T"], outputs: ["Y: T"], types: ["T": .floats],
    attributes: [
      "auto_pad": .string("NOTSET"), "dilations": .none, "group": .int(1), "kernel_shape": .none,
      "pads": .none, "strides": .none,
    ])

  let window: ConvolutionWindow
  let precision: ProductPrecision
  let tiles: [WinogradTile]
  private var kept: Kept?

  /// A plan with the weight in its layout.
  private enum Kept {
    case winograd(WinogradPlan, Storage)
    case panels(ConvolutionPlan, KeptPanels)
  }

  init(_ attributes: Attributes) throws {
    window = try ConvolutionWindow(attributes)
    precision = attributes.precision
    tiles = try WinogradTile.allowed(attributes)
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let dtype = try inputs.dtype(0)
    guard let x = try inputs.shape(0) else { return [TensorType(dtype, nil as [Dim]?)] }
    guard (3...5).contains(x.count) else {
      throw DataError("the input has rank \(x.count), 3 to 5 are supported")
    }
    guard let w = try inputs.shape(1) else {
      return [TensorType(dtype, [x[0]] + x.dropFirst().map { _ in Dim.unknown })]
    }
    guard w.count == x.count else {
      throw DataError("the weight has rank \(w.count), the input \(x.count)")
    }
    if let channels = x[1].value, let part = w[1].value, channels != Cost.product([part, window.group]) {
      throw DataError("\(channels) input channels differ from \(part) × \(window.group) groups")
    }
    if let out = w[0].value, out % window.group != 0 {
      throw DataError("\(out) output channels do not part into \(window.group) groups")
    }
    if inputs.has(2), let b = try inputs.shape(2) {
      guard b.count == 1, b[0].agrees(with: w[0]) else {
        throw DataError("the bias \(try inputs.type(2)) does not fit \(w[0]) output channels")
      }
    }
    let kernel = try window.kernel(w.dropFirst(2))
    var shape = [x[0], w[0]]
    for axis in kernel.indices {
      guard let input = x[axis + 2].value, let extent = kernel[axis].value else {
        shape.append(.unknown)
        continue
      }
      shape.append(
        .known(try window.axis(axis, input: input, kernel: extent, rank: kernel.count).output))
    }
    return [TensorType(dtype, shape)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let w = inputs[1], let y = outputs[0], y.count > 0 else { return }
    let b = inputs.count > 2 ? inputs[2] : nil
    if let kept { return run(kept, x, w, b, y, context) }
    let shape = try shape(x.shape, w.shape)
    if x.dtype == .float32, let plan = WinogradPlan(shape, precision, tiles) {
      return WinogradConvolution(
        plan: plan, x: x.pointer(as: Float.self), w: w.pointer(as: Float.self),
        bias: b?.pointer(as: Float.self), y: y.pointer(as: Float.self)
      ).run(context)
    }
    let plan = ConvolutionPlan(shape)
    switch x.dtype {
    case .float32: try run(Float.self, plan, x, w, b, y, context)
    case .float64: try run(Double.self, plan, x, w, b, y, context)
    default: throw DataError("cannot convolve \(x.dtype)")
    }
  }

  private func run(_ kept: Kept, _ x: Tensor, _ w: Tensor, _ b: Tensor?, _ y: Tensor, _ context: RunContext) {
    let type = Float.self
    let (x, w, y) = (x.pointer(as: type), w.pointer(as: type), y.pointer(as: type))
    let bias = b?.pointer(as: type)
    switch kept {
    case .winograd(let plan, let storage):
      WinogradConvolution(
        plan: plan, x: x, w: w, bias: bias, y: y, kept: storage.base.assumingMemoryBound(to: type)
      ).run(context)
    case .panels(let plan, let panels):
      Convolution(plan: plan, precision: precision, x: x, w: w, bias: bias, y: y).run(
        Panels(byteCount: { panels.plan.byteCount(threads: $0) }, run: panels.run), keeping: context)
    }
  }

  private func run<T: MatrixScalar>(
    _ type: T.Type, _ plan: ConvolutionPlan, _ x: Tensor, _ w: Tensor, _ b: Tensor?, _ y: Tensor,
    _ context: RunContext
  ) throws {
    let shape = plan.shape
    try BLAS.check(shape.outputChannels, shape.inputChannels * shape.taps, shape.inputs, shape.outputs)
    Convolution(
      plan: plan, precision: precision, x: x.pointer(as: type), w: w.pointer(as: type),
      bias: b?.pointer(as: type),
      y: y.pointer(as: type)
    ).run(context)
  }

  func workspace(_ inputs: [TensorType?], threads: Int) -> Int {
    switch kept {
    case .winograd(let plan, _)?: return plan.byteCount(threads: threads)
    case .panels(_, let panels)?: return panels.plan.byteCount(threads: threads)
    case nil: break
    }
    guard inputs.count > 1, let x = inputs[0]?.concreteShape, let w = inputs[1]?.concreteShape,
      let shape = try? shape(x, w)
    else { return 0 }
    if inputs[0]?.dtype != .float64, let plan = WinogradPlan(shape, precision, tiles) {
      return plan.byteCount(threads: threads)
    }
    if shape.isPointwise {
      guard inputs[0]?.dtype != .float64 else { return 0 }
      return MatrixProduct<Float>.byteCount(
        shape.outputChannels, shape.outputs, shape.inputChannels, threads: threads, precision)
    }
    let plan = ConvolutionPlan(shape)
    if inputs[0]?.dtype != .float64, let panels = plan.panels(Float.self, precision) {
      return panels.byteCount(threads)
    }
    let count = plan.scratchCount
    return inputs[0]?.dtype == .float64
      ? SlottedScratch<Double>.byteCount(count, threads: threads)
      : SlottedScratch<Float>.byteCount(count, threads: threads)
  }

  func multiplyAdds(_ inputs: [TensorType?], _ outputs: [TensorType]) -> Int {
    guard inputs.count > 1, let w = inputs[1]?.concreteShape else { return 0 }
    return Cost.product([Cost.product(outputs[0])] + w.dropFirst())
  }

  /// Whether it can be computed in more than one way here: as sums, and by Winograd's algorithm.
  static func hasSeveralWays(_ node: Node, opset: Int, inputs: [TensorType?]) -> Bool {
    guard inputs.count > 1, inputs[0]?.dtype == .float32, inputs[1]?.dtype == .float32,
      let x = inputs[0]?.concreteShape, let w = inputs[1]?.concreteShape,
      let op = try? OperatorSet.standard.bind(node, opset: opset) as? Conv, let shape = try? op.shape(x, w)
    else { return false }
    return WinogradPlan(shape, op.precision, [.twoByTwo], keepsWeights: true) != nil
  }

  private func shape(_ x: [Int], _ w: [Int]) throws -> ConvolutionShape {
    let rank = x.count - 2
    let axes = try (0..<rank).map {
      try window.axis($0, input: x[$0 + 2], kernel: w[$0 + 2], rank: rank)
    }
    return ConvolutionShape(
      batch: x[0], groups: window.group, inputChannels: w[1], outputChannels: w[0] / window.group,
      axes: axes)
  }
}

extension Conv: WeightKeepingOperator {
  func keepable(_ inputs: [TensorType?], constants: [Tensor?]) -> KeepableWeight? {
    guard let w = constants[1], w.dtype == .float32, inputs[0]?.dtype == .float32,
      let x = inputs[0]?.concreteShape, let shape = try? shape(x, w.shape), !w.shape.contains(0)
    else { return nil }
    if let plan = WinogradPlan(shape, precision, tiles, keepsWeights: true) {
      return keepable(w, plan)
    }
    let plan = ConvolutionPlan(shape)
    guard let panels = plan.keptPlan(precision) else { return nil }
    return KeptPanels.keepable(w, MatrixOperand(w.pointer(as: Float.self), stride: panels.k), panels) {
      var op = self
      op.kept = .panels(plan, $0)
      return op
    }
  }

  private func keepable(_ w: Tensor, _ plan: WinogradPlan) -> KeepableWeight {
    let tile = plan.tile
    return KeepableWeight(
      of: w,
      layout:
        "winograd \(tile.height)×\(tile.width) \(plan.shape.outputChannels)×\(plan.shape.inputChannels) "
        + "\(plan.outputPanels) \(plan.kernels.elements)",
      byteCount: plan.keptCount * MemoryLayout<Float>.size,
      fill: { memory, pool in
        let base = memory.assumingMemoryBound(to: Float.self)
        let weight = w.pointer(as: Float.self)
        pool.forEach(plan.outputItems) { item in
          WinogradConvolution(plan: plan, x: weight, w: weight, bias: nil, y: base).keepWeights(
            item: item, to: base)
        }
        withExtendedLifetime(w) {}
      },
      reading: {
        var op = self
        op.kept = .winograd(plan, $0)
        return op
      })
  }
}
