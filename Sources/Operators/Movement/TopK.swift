import GraphIR

/// The `k` largest (or smallest) elements along `axis` with their positions, best first; of equal ones the
/// earlier is first. NaN counts as larger than everything.
struct TopK: Operator {
  static let schema = Schema(
    "TopK", since: 11, inputs: ["X: T", "K?10: K"], outputs: ["Values: T", "Indices: I"],
    types: ["T": .numbers, "K": [.int64]],
    attributes: ["axis": .int(-1), "largest": .int(1), "sorted": .int(1), "k": .none])
  static let runsHalf = true
  let axis: Int
  let largest: Bool
  let k: Int?

  init(_ attributes: Attributes) throws {
    axis = try attributes.int("axis") ?? -1
    largest = try attributes.bool("largest")
    try attributes.old("k", before: 10)
    k = try attributes.int("k")
    guard k != nil || attributes.inputCount > 1 else { throw DataError("k is missing") }
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let data = try inputs.type(0)
    guard var shape = data.shape else {
      return [TensorType(data.dtype, nil), TensorType(.int64, nil)]
    }
    let axis = try InferenceInputs.axis(self.axis, rank: shape.count)
    if let list = k.map({ [$0] }) ?? inputs.ints(1) {
      guard list.count == 1, list[0] >= 0, list[0] <= shape[axis].value ?? .max else {
        throw DataError("k is \(list), axis \(axis) has extent \(shape[axis])")
      }
      shape[axis] = .known(list[0])
    } else {
      shape[axis] = .unknown
    }
    return [TensorType(data.dtype, shape), TensorType(.int64, shape)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    let x = try Movement.input(inputs, 0)
    let axis = try InferenceInputs.axis(self.axis, rank: x.rank)
    let k = try self.k ?? Movement.ints(inputs, 1)?.first ?? 0
    guard k >= 0, k <= x.shape[axis] else {
      throw DataError("k is \(k), axis \(axis) has extent \(x.shape[axis])")
    }
    switch x.dtype {
    case .float32: select(x, x.pointer(as: Float.self), axis, k, outputs, context.pool, above)
    case .float64: select(x, x.pointer(as: Double.self), axis, k, outputs, context.pool, above)
    case .float16: select(x, x.pointer(as: Float16.self), axis, k, outputs, context.pool, above)
    case .bfloat16:
      select(x, x.pointer(as: BFloat16.self), axis, k, outputs, context.pool) { above($0.float, $1.float) }
    case .int8: select(x, x.pointer(as: Int8.self), axis, k, outputs, context.pool, >)
    case .int16: select(x, x.pointer(as: Int16.self), axis, k, outputs, context.pool, >)
    case .int32: select(x, x.pointer(as: Int32.self), axis, k, outputs, context.pool, >)
    case .int64: select(x, x.pointer(as: Int64.self), axis, k, outputs, context.pool, >)
    case .uint8, .bool: select(x, x.pointer(as: UInt8.self), axis, k, outputs, context.pool, >)
    case .uint16: select(x, x.pointer(as: UInt16.self), axis, k, outputs, context.pool, >)
    case .uint32: select(x, x.pointer(as: UInt32.self), axis, k, outputs, context.pool, >)
    case .uint64: select(x, x.pointer(as: UInt64.self), axis, k, outputs, context.pool, >)
    default: throw DataError("\(x.dtype) is not computed with")
    }
  }

  private func above<T: FloatingPoint>(_ a: T, _ b: T) -> Bool { a.isNaN ? !b.isNaN : a > b }

  private func select<T>(
    _ x: Tensor, _ data: UnsafeMutablePointer<T>, _ axis: Int, _ k: Int, _ outputs: [Tensor?],
    _ pool: ThreadPool, _ above: (T, T) -> Bool
  ) {
    let extent = x.shape[axis]
    let inner = Shape.count(Array(x.shape[(axis + 1)...]))
    if x.count == 0 || k == 0 { return }
    let values = outputs[0]?.pointer(as: T.self)
    let places = outputs.count > 1 ? outputs[1]?.pointer(as: Int64.self) : nil
    pool.forRanges(x.count / extent, grain: max(1, (1 << 12) / extent)) { range in
      for line in range {
        let first = line / inner * extent * inner + line % inner
        let order = (0..<extent).sorted {
          let (a, b) = (data[first + $0 * inner], data[first + $1 * inner])
          if largest ? above(a, b) : above(b, a) { return true }
          if largest ? above(b, a) : above(a, b) { return false }
          return $0 < $1
        }
        for i in 0..<k {
          let place = (line / inner * k + i) * inner + line % inner
          values?[place] = data[first + order[i] * inner]
          places?[place] = Int64(order[i])
        }
      }
    }
  }
}

extension TopK: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    try context.requireOpset(16)
    return [
      context.graph.ScatterElements(
        try context.zeros(try context.shape(0)), try context.output(1), try context.gradient(),
        attributes: ["axis": .int(axis), "reduction": .string("add")])
    ]
  }
}
