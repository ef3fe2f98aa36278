import GraphIR

/// y[…, out] = Σ x[…, in] · w[out, in] + b[out]: a linear layer with its weight as checkpoints store it.
///
/// An operator of our own domain, made from MatMul, Transpose and Add.
struct Linear: Operator {
  static let schema = Schema(
    "Linear", domain: "dsd", since: 1, inputs: ["X: T", "W: T", "B?: T"], outputs: ["Y: T"],
    types: ["T": .floats])

  let precision: ProductPrecision
  private var kept: KeptPanels?

  init(_ attributes: Attributes) throws { precision = attributes.precision }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let dtype = try inputs.dtype(0)
    var out = Dim.unknown
    if let w = try inputs.shape(1) {
      guard w.count == 2 else { throw DataError("the weight has rank \(w.count), not 2") }
      out = w[0]
    }
    if inputs.has(2), let b = try inputs.shape(2) {
      guard b.count == 1, b[0].agrees(with: out) else {
        throw DataError("the bias \(try inputs.type(2)) does not fit \(out) output features")
      }
      if out.value == nil { out = b[0] }
    }
    guard let x = try inputs.shape(0) else { return [TensorType(dtype, nil as [Dim]?)] }
    guard let last = x.last else { throw DataError("the input is a scalar") }
    if let w = try inputs.shape(1), !last.agrees(with: w[1]) {
      throw DataError("inner dimensions \(last) and \(w[1]) differ")
    }
    return [TensorType(dtype, x.dropLast() + [out])]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let w = inputs[1], let y = outputs[0], y.count > 0 else { return }
    let b = inputs.count > 2 ? inputs[2] : nil
    switch x.dtype {
    case .float32:
      let product = try product(Float.self, x, w, b, y)
      if let kept { kept.run(product, context) } else { product.run(context, precision) }
    case .float64: try product(Double.self, x, w, b, y).run(context, precision)
    default: throw DataError("cannot multiply \(x.dtype)")
    }
  }

  func multiplyAdds(_ inputs: [TensorType?], _ outputs: [TensorType]) -> Int {
    Cost.product(outputs[0], inputs[1]?.shape?.last)
  }

  func workspace(_ inputs: [TensorType?], threads: Int) -> Int {
    if let kept { return kept.plan.byteCount(threads: threads) }
    guard inputs[0]?.dtype != .float64, let x = inputs[0]?.concreteShape, let w = inputs[1]?.concreteShape
    else { return 0 }
    return MatrixProduct<Float>.byteCount(
      Cost.product(Array(x.dropLast())), w[0], w[1], threads: threads, precision)
  }

  private func product<T: MatrixScalar>(
    _ type: T.Type, _ x: Tensor, _ w: Tensor, _ b: Tensor?, _ y: Tensor
  ) throws -> MatrixProduct<T> {
    let (n, k) = (w.shape[0], w.shape[1])
    let m = y.count / n
    try BLAS.check(m, n, k)
    return MatrixProduct(
      m: m, n: n, k: k, a: MatrixOperand(x.pointer(as: type), stride: max(k, 1)),
      b: MatrixOperand(w.pointer(as: type), stride: max(k, 1), isTransposed: true),
      c: y.pointer(as: type), strideC: n,
      addend: b.map {
        MatrixAddend(base: $0.pointer(as: type), rowStride: 0, columnStride: 1, factor: 1)
      })
  }
}

extension Linear: WeightKeepingOperator {
  func keepable(_ inputs: [TensorType?], constants: [Tensor?]) -> KeepableWeight? {
    guard let w = constants[1], w.dtype == .float32, w.shape.count == 2, inputs[0]?.dtype == .float32,
      let x = inputs[0]?.concreteShape,
      let plan = PanelPlan(Cost.product(x.dropLast()), w.shape[0], w.shape[1], precision, kept: .right)
    else { return nil }
    let operand = MatrixOperand(w.pointer(as: Float.self), stride: w.shape[1], isTransposed: true)
    return KeptPanels.keepable(w, operand, plan) {
      var op = self
      op.kept = $0
      return op
    }
  }
}

extension Linear: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let (g, d, output) = (context.graph, try context.gradient(), try context.outputShape())
    let rows = Shape.count(Array(output.dropLast()))
    var results: [Value?] = [context.wants(0) ? g.MatMul(d, context.input(1)) : nil, nil, nil]
    if context.wants(1) {
      let flat = context.reshape(d, [rows, output[output.count - 1]])
      let x = context.reshape(context.input(0), [rows, try context.shape(1)[1]])
      results[1] = g.Gemm(flat, x, attributes: ["transA": .int(1)])
    }
    if context.wants(2) { results[2] = context.sum(d, from: output, to: try context.shape(2)) }
    return results
  }
}
