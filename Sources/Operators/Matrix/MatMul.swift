import GraphIR

/// Y = A · B over the last two axes; the axes before them broadcast. A rank-1 A counts as a row and a
/// rank-1 B as a column, whose extra axis the result does not have.
struct MatMul: Operator {
  static let schema = Schema(
    "MatMul", since: 13, inputs: ["A: T", "B: T"], outputs: ["Y: T"],
    types: ["T": .multipliable])

  let precision: ProductPrecision
  private var kept: KeptPanels?

  init(_ attributes: Attributes) throws { precision = attributes.precision }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let dtype = try inputs.dtype(0)
    guard let a = try inputs.shape(0), let b = try inputs.shape(1) else {
      return [TensorType(dtype, nil as [Dim]?)]
    }
    guard !a.isEmpty, !b.isEmpty else { throw DataError("a scalar cannot be multiplied as a matrix") }
    let inner = b.count == 1 ? b[0] : b[b.count - 2]
    guard a[a.count - 1].agrees(with: inner) else {
      throw DataError("inner dimensions \(a[a.count - 1]) and \(inner) differ")
    }
    guard let batch = Shape.broadcast(a.dropLast(2), b.dropLast(2)) else {
      throw DataError("batch dimensions do not broadcast")
    }
    var shape = batch
    if a.count > 1 { shape.append(a[a.count - 2]) }
    if b.count > 1 { shape.append(b[b.count - 1]) }
    return [TensorType(dtype, shape)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let a = inputs[0], let b = inputs[1], let y = outputs[0], y.count > 0 else { return }
    if let kept {
      let (n, k) = (kept.plan.n, kept.plan.k)
      return kept.run(
        MatrixProduct(
          m: kept.plan.m, n: n, k: k, a: MatrixOperand(a.pointer(as: Float.self), stride: k),
          b: MatrixOperand(b.pointer(as: Float.self), stride: n), c: y.pointer(as: Float.self), strideC: n),
        context)
    }
    let plan = Plan(a.shape, b.shape)
    switch a.dtype {
    case .float32: try multiply(Float.self, plan, a, b, y, context)
    case .float64: try multiply(Double.self, plan, a, b, y, context)
    case .int32: multiplyIntegers(Int32.self, plan, a, b, y, context.pool)
    case .int64: multiplyIntegers(Int64.self, plan, a, b, y, context.pool)
    case .uint32: multiplyIntegers(UInt32.self, plan, a, b, y, context.pool)
    case .uint64: multiplyIntegers(UInt64.self, plan, a, b, y, context.pool)
    default: throw DataError("cannot multiply \(a.dtype)")
    }
  }

  func multiplyAdds(_ inputs: [TensorType?], _ outputs: [TensorType]) -> Int {
    Cost.product(outputs[0], inputs[0]?.shape?.last)
  }

  func workspace(_ inputs: [TensorType?], threads: Int) -> Int {
    if let kept { return kept.plan.byteCount(threads: threads) }
    guard inputs[0]?.dtype != .float64, let a = inputs[0]?.concreteShape, let b = inputs[1]?.concreteShape,
      let k = a.last, !b.isEmpty
    else { return 0 }
    // One B for all: the rows of all products are one matrix.
    let hasOneB = Cost.product(b.dropLast(2)) == 1 && a.count >= b.count
    let rows = hasOneB ? Cost.product(Array(a.dropLast())) : a.count > 1 ? a[a.count - 2] : 1
    return MatrixProduct<Float>.byteCount(
      rows, b.count > 1 ? b[b.count - 1] : 1, k, threads: threads, precision)
  }

  /// The extents of each product, and where the operands of each start.
  private struct Plan {
    var m: Int
    let n: Int
    let k: Int
    /// Element offsets of A and B, one pair a product.
    var offsets: [(a: Int, b: Int)]

    init(_ shapeA: [Int], _ shapeB: [Int]) {
      let a = shapeA.count == 1 ? [1] + shapeA : shapeA
      let b = shapeB.count == 1 ? shapeB + [1] : shapeB
      m = a[a.count - 2]
      k = a[a.count - 1]
      n = b[b.count - 1]
      let (batchA, batchB) = (Array(a.dropLast(2)), Array(b.dropLast(2)))
      if Shape.count(batchB) == 1, batchA.count >= batchB.count {
        // One B for all: the rows of all products are one matrix.
        m *= Shape.count(batchA)
        offsets = [(0, 0)]
        return
      }
      let known = (batchA.map { Dim.known($0) }, batchB.map { Dim.known($0) })
      let batch = Shape.broadcast(known.0, known.1)!.map { $0.value! }
      let stridesA = Shape.broadcastStrides(batchA, to: batch)
      let stridesB = Shape.broadcastStrides(batchB, to: batch)
      offsets = [(0, 0)]
      for axis in batch.indices {
        let steps = (stridesA[axis] * m * k, stridesB[axis] * k * n)
        offsets = offsets.flatMap { start in
          (0..<batch[axis]).map { (start.a + $0 * steps.0, start.b + $0 * steps.1) }
        }
      }
    }
  }

  private func multiply<T: MatrixScalar>(
    _ type: T.Type, _ plan: Plan, _ a: Tensor, _ b: Tensor, _ y: Tensor, _ context: RunContext
  ) throws {
    let (m, n, k) = (plan.m, plan.n, plan.k)
    try BLAS.check(m, n, k)
    let (baseA, baseB) = (a.pointer(as: type), b.pointer(as: type))
    let out = y.pointer(as: type)
    MatrixProduct<T>.run(plan.offsets.count, m, n, k, context, precision) { position in
      let start = plan.offsets[position]
      return MatrixProduct(
        m: m, n: n, k: k, a: MatrixOperand(baseA + start.a, stride: max(k, 1)),
        b: MatrixOperand(baseB + start.b, stride: n), c: out + position * m * n, strideC: n)
    }
  }

  private func multiplyIntegers<T: FixedWidthInteger>(
    _ type: T.Type, _ plan: Plan, _ a: Tensor, _ b: Tensor, _ y: Tensor, _ pool: ThreadPool
  ) {
    let (baseA, baseB) = (a.pointer(as: type), b.pointer(as: type))
    let out = y.pointer(as: type)
    pool.forEach(plan.offsets.count) { position in
      let start = plan.offsets[position]
      integerProduct(
        plan.m, plan.n, plan.k, MatrixOperand(baseA + start.a, stride: plan.k),
        MatrixOperand(baseB + start.b, stride: plan.n), out + position * plan.m * plan.n)
    }
  }
}

extension MatMul: WeightKeepingOperator {
  func keepable(_ inputs: [TensorType?], constants: [Tensor?]) -> KeepableWeight? {
    guard let b = constants[1], b.dtype == .float32, b.shape.count == 2, inputs[0]?.dtype == .float32,
      let a = inputs[0]?.concreteShape, a.count >= 2,
      let plan = PanelPlan(Cost.product(a.dropLast()), b.shape[1], b.shape[0], precision, kept: .right)
    else { return nil }
    return KeptPanels.keepable(b, MatrixOperand(b.pointer(as: Float.self), stride: b.shape[1]), plan) {
      var op = self
      op.kept = $0
      return op
    }
  }
}

extension Set<DType> {
  /// What Gemm and MatMul multiply.
  static let multipliable: Set<DType> = floats.union([.int32, .int64, .uint32, .uint64])
}

extension MatMul: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let (a, b) = (try context.shape(0), try context.shape(1))
    // Vectors as the matrices they stand for.
    let (rows, columns) = (a.count == 1 ? [1] + a : a, b.count == 1 ? b + [1] : b)
    let batch = Array(
      try context.outputShape().dropLast((a.count > 1 ? 1 : 0) + (b.count > 1 ? 1 : 0)))
    let full = batch + [rows[rows.count - 2], columns[columns.count - 1]]
    func matrix(_ value: Value, _ shape: [Int], as wanted: [Int]) -> Value {
      shape == wanted ? value : context.reshape(value, wanted)
    }
    let d = matrix(try context.gradient(), try context.outputShape(), as: full)
    var results: [Value?] = [nil, nil]
    if context.wants(0) {
      let product = second(context, d, matrix(context.input(1), b, as: columns), columns)
      let shape = batch + rows.suffix(2)
      results[0] = matrix(context.sum(product, from: shape, to: rows), rows, as: a)
    }
    if context.wants(1) {
      let x = matrix(context.input(0), a, as: rows)
      results[1] = matrix(first(context, x, rows, d, full, columns), columns, as: b)
    }
    return results
  }

  /// d · Bᵀ. One B for all is multiplied as it is stored: a transpose of weights would be a copy of them.
  private func second(_ context: GradientContext, _ d: Value, _ b: Value, _ shape: [Int]) -> Value {
    if shape.count == 2 { return context.graph.emit("Linear", domain: "dsd", [d, b])[0] }
    return context.graph.MatMul(d, MatMul.transposed(context, b, shape.count))
  }

  /// Aᵀ · d, summed to B's shape.
  private func first(
    _ context: GradientContext, _ a: Value, _ shape: [Int], _ d: Value, _ full: [Int], _ target: [Int]
  ) -> Value {
    let g = context.graph
    if target.count == 2, shape.count == full.count {
      let rows = Shape.count(Array(full.dropLast()))
      return g.Gemm(
        context.reshape(a, [rows, shape[shape.count - 1]]), context.reshape(d, [rows, full[full.count - 1]]),
        attributes: ["transA": .int(1)])
    }
    let product = g.MatMul(MatMul.transposed(context, a, shape.count), d)
    return context.sum(product, from: full.dropLast(2) + target.suffix(2), to: target)
  }

  /// The last two axes swapped.
  private static func transposed(_ context: GradientContext, _ value: Value, _ rank: Int) -> Value {
    var order = Array(0..<rank)
    order.swapAt(rank - 2, rank - 1)
    return context.transpose(value, order)
  }
}
