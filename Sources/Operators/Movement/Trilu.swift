import GraphIR

/// The upper or lower triangle of matrices `[…, rows, columns]`, from the `k`-th diagonal on; zeros
/// elsewhere.
struct Trilu: Operator {
  static let schema = Schema(
    "Trilu", since: 14, inputs: ["input: T", "k?: K"], outputs: ["output: T"],
    types: ["T": .all, "K": [.int64]], attributes: ["upper": .int(1)])
  static let runsHalf = true
  let aliasing = Aliasing.inPlace([0])
  let upper: Bool

  init(_ attributes: Attributes) throws { upper = try attributes.bool("upper") }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let type = try inputs.type(0)
    if let rank = type.rank, rank < 2 { throw DataError("input has rank \(rank), at least 2 is needed") }
    if let k = inputs.constant(1), k.count != 1 { throw DataError("k is not one element") }
    return [type]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    let x = try Movement.input(inputs, 0)
    let k = try Movement.ints(inputs, 1)?.first ?? 0
    let (rows, columns) = (x.shape[x.rank - 2], x.shape[x.rank - 1])
    if x.count == 0 { return }
    let size = x.dtype.size
    let width = columns * size
    context.pool.forRanges(x.count / columns, grain: max(1, (1 << 16) / columns)) { range in
      for row in range {
        // The first column on or right of the diagonal (upper), or right of it (lower).
        let diagonal = (row % rows).addingReportingOverflow(k)
        let column = diagonal.overflow ? (k < 0 ? 0 : columns) : diagonal.partialValue
        let cut = min(max(upper ? column : column == .max ? column : column + 1, 0), columns) * size
        let from = x.pointer + row * width
        let to = y.pointer + row * width
        if upper {
          if from != to { (to + cut).copyMemory(from: from + cut, byteCount: width - cut) }
          to.initializeMemory(as: UInt8.self, repeating: 0, count: cut)
        } else {
          if from != to { to.copyMemory(from: from, byteCount: cut) }
          (to + cut).initializeMemory(as: UInt8.self, repeating: 0, count: width - cut)
        }
      }
    }
  }
}

extension Trilu: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    [
      context.graph.Trilu(
        try context.gradient(), context.optional(1), attributes: ["upper": .int(upper ? 1 : 0)])
    ]
  }
}
