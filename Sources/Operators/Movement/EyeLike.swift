import GraphIR

/// A matrix of the input's shape with ones on the `k`-th diagonal and zeros elsewhere.
struct EyeLike: Operator {
  static let schema = Schema(
    "EyeLike", since: 9, inputs: ["input: T1"], outputs: ["output"], types: ["T1": .all],
    attributes: ["dtype": .none, "k": .int(0)])
  static let runsHalf = true
  let dtype: DType?
  let k: Int

  init(_ attributes: Attributes) throws {
    k = try attributes.int("k") ?? 0
    dtype = try attributes.int("dtype").map { number in
      guard let type = Int32(exactly: number).flatMap(DType.init(rawValue:)) else {
        throw DataError("dtype \(number) is not supported")
      }
      return type
    }
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let type = try inputs.type(0)
    if let rank = type.rank, rank != 2 { throw DataError("input has rank \(rank), 2 is needed") }
    return [TensorType(dtype ?? type.dtype, type.shape ?? Movement.unknown(2))]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    y.fill(with: Tensor.zeros(y.dtype, []))
    let one = Tensor(scalar: Int64(1)).converted(to: y.dtype)
    for row in 0..<y.shape[0] {
      let (column, overflow) = row.addingReportingOverflow(k)
      guard !overflow, column >= 0, column < y.shape[1] else { continue }
      (y.pointer + (row * y.shape[1] + column) * y.dtype.size)
        .copyMemory(from: one.pointer, byteCount: y.dtype.size)
    }
  }
}
