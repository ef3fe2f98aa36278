import GraphIR

/// Y = alpha · A′ · B′ + beta · C, where ′ is an optional transpose; C broadcasts to Y.
struct Gemm: Operator {
  static let schema = Schema(
    "Gemm", since: 13, inputs: ["A: T", "B: T", "C?: T"], outputs: ["Y: T"],
    types: ["T": .multipliable],
    attributes: ["alpha": .float(1), "beta": .float(1), "transA": .int(0), "transB": .int(0)])

  let alpha: Float
  let beta: Float
  let transA: Bool
  let transB: Bool

  let precision: ProductPrecision

  init(_ attributes: Attributes) throws {
    alpha = try attributes.float("alpha") ?? 1
    beta = try attributes.float("beta") ?? 1
    transA = try attributes.bool("transA")
    transB = try attributes.bool("transB")
    precision = attributes.precision
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let a = try matrix(inputs, 0, transA)
    let b = try matrix(inputs, 1, transB)
    guard a.columns.agrees(with: b.rows) else {
      throw DataError("inner dimensions \(a.columns) and \(b.rows) differ")
    }
    let shape = [a.rows, b.columns]
    if inputs.has(2), let c = try inputs.shape(2) {
      guard c.count <= 2, let joint = Shape.broadcast(shape, c),
        zip(joint, shape).allSatisfy({ $0.agrees(with: $1) })
      else {
        throw DataError("C \(try inputs.type(2)) does not broadcast to [\(a.rows), \(b.columns)]")
      }
    }
    return [TensorType(try inputs.dtype(0), shape)]
  }

  private func matrix(_ inputs: InferenceInputs, _ position: Int, _ transposed: Bool) throws
    -> (rows: Dim, columns: Dim)
  {
    guard let shape = try inputs.shape(position) else { return (.unknown, .unknown) }
    guard shape.count == 2 else {
      throw DataError("input \(position) has rank \(shape.count), not 2")
    }
    return transposed ? (shape[1], shape[0]) : (shape[0], shape[1])
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let a = inputs[0], let b = inputs[1], let y = outputs[0], y.count > 0 else { return }
    let c = inputs.count > 2 ? inputs[2] : nil
    switch a.dtype {
    case .float32: try multiply(Float.self, a, b, c, y, context)
    case .float64: try multiply(Double.self, a, b, c, y, context)
    case .int32: multiplyIntegers(Int32.self, a, b, c, y)
    case .int64: multiplyIntegers(Int64.self, a, b, c, y)
    case .uint32: multiplyIntegers(UInt32.self, a, b, c, y)
    case .uint64: multiplyIntegers(UInt64.self, a, b, c, y)
    default: throw DataError("cannot multiply \(a.dtype)")
    }
  }

  func multiplyAdds(_ inputs: [TensorType?], _ outputs: [TensorType]) -> Int {
    guard let a = inputs[0]?.shape, a.count == 2 else { return 0 }
    return Cost.product(outputs[0], a[transA ? 0 : 1])
  }

  func workspace(_ inputs: [TensorType?], threads: Int) -> Int {
    guard inputs[0]?.dtype != .float64, let a = inputs[0]?.concreteShape, let b = inputs[1]?.concreteShape,
      a.count == 2, b.count == 2
    else { return 0 }
    return MatrixProduct<Float>.byteCount(
      a[transA ? 1 : 0], b[transB ? 0 : 1], a[transA ? 0 : 1], threads: threads, precision)
  }

  /// Strides that read C as [m, n].
  private func addendStrides(_ c: Tensor, _ y: Tensor) -> [Int] {
    Shape.broadcastStrides(c.shape, to: y.shape)
  }

  private func multiply<T: MatrixScalar>(
    _ type: T.Type, _ a: Tensor, _ b: Tensor, _ c: Tensor?, _ y: Tensor, _ context: RunContext
  ) throws {
    let (m, n, k) = (y.shape[0], y.shape[1], a.shape[transA ? 0 : 1])
    try BLAS.check(m, n, k)
    var product = MatrixProduct<T>(
      m: m, n: n, k: k,
      a: MatrixOperand(a.pointer(as: type), stride: max(a.shape[1], 1), isTransposed: transA),
      b: MatrixOperand(b.pointer(as: type), stride: max(b.shape[1], 1), isTransposed: transB),
      c: y.pointer(as: type), strideC: n, alpha: T(alpha))
    if let c, beta != 0 {
      let strides = addendStrides(c, y)
      product.addend = MatrixAddend(
        base: c.pointer(as: type), rowStride: strides[0], columnStride: strides[1], factor: T(beta))
    }
    product.run(context, precision)
  }

  private func multiplyIntegers<T: FixedWidthInteger>(
    _ type: T.Type, _ a: Tensor, _ b: Tensor, _ c: Tensor?, _ y: Tensor
  ) {
    let (m, n, k) = (y.shape[0], y.shape[1], a.shape[transA ? 0 : 1])
    let out = y.pointer(as: type)
    integerProduct(
      m, n, k, MatrixOperand(a.pointer(as: type), stride: a.shape[1], isTransposed: transA),
      MatrixOperand(b.pointer(as: type), stride: b.shape[1], isTransposed: transB), out)
    guard alpha != 1 || c != nil else { return }
    let strides = c.map { addendStrides($0, y) } ?? [0, 0]
    let addend = c?.pointer(as: type)
    for row in 0..<m {
      for column in 0..<n {
        let product = out[row * n + column]
        let added = addend.map { $0[row * strides[0] + column * strides[1]] } ?? 0
        if alpha == 1, beta == 1 {
          out[row * n + column] = product &+ added
        } else {
          let value = Double(alpha) * Double(product) + Double(beta) * Double(added)
          out[row * n + column] = T(exactly: value.rounded(.towardZero)) ?? (value < 0 ? .min : .max)
        }
      }
    }
  }
}

extension Gemm: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let d = try context.gradient()
    let (a, b) = (context.input(0), context.input(1))
    var results: [Value?] = [nil, nil, nil]
    func product(_ x: Value, _ transposesX: Bool, _ y: Value, _ transposesY: Bool) -> Value {
      context.graph.Gemm(
        x, y,
        attributes: [
          "alpha": .float(alpha), "transA": .int(transposesX ? 1 : 0), "transB": .int(transposesY ? 1 : 0),
        ])
    }
    if context.wants(0) { results[0] = transA ? product(b, transB, d, true) : product(d, false, b, !transB) }
    if context.wants(1) { results[1] = transB ? product(d, true, a, transA) : product(a, !transA, d, false) }
    if context.wants(2) {
      let sum = try context.sum(d, to: 2)
      results[2] = beta == 1 ? sum : context.graph.Mul(sum, try context.number(Double(beta)))
    }
    return results
  }
}
