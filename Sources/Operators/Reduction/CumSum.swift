import GraphIR

/// Running sums along an axis; `exclusive` leaves an element out of its own sum, `reverse` starts at the end.
struct CumSum: Operator {
  static let schema = Schema(
    "CumSum", since: 14, inputs: ["x: T", "axis: I"], outputs: ["y: T"],
    types: ["T": .numbers, "I": .indices], attributes: ["exclusive": .int(0), "reverse": .int(0)])
  let exclusive: Bool
  let reverse: Bool

  init(_ attributes: Attributes) throws {
    exclusive = try attributes.bool("exclusive")
    reverse = try attributes.bool("reverse")
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let type = try inputs.type(0)
    if let axis = inputs.ints(1), let rank = type.rank {
      guard axis.count == 1 else { throw DataError("axis is not a scalar") }
      _ = try InferenceInputs.axis(axis[0], rank: rank)
    }
    return [type]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let axis = inputs[1], let y = outputs[0] else { return }
    guard axis.count == 1 else { throw DataError("axis is not a scalar") }
    let given = Int(axis.converted(to: .int64).array(of: Int64.self)[0])
    let at = try InferenceInputs.axis(given, rank: x.rank)
    try x.dtype.visit(
      Run(
        x: x, y: y, length: x.shape[at], inner: Shape.count(Array(x.shape[(at + 1)...])),
        exclusive: exclusive, reverse: reverse, pool: context.pool))
  }

  private struct Run: ArithmeticVisitor {
    let x: Tensor
    let y: Tensor
    let length: Int
    let inner: Int
    let exclusive: Bool
    let reverse: Bool
    let pool: ThreadPool

    func visit<T: ArithmeticElement>(_ type: T.Type) {
      guard x.count > 0 else { return }
      let source = x.pointer(as: type)
      let target = y.pointer(as: type)
      pool.forRanges(x.count / length, grain: max(1, 16384 / length)) { range in
        for item in range {
          let first = item / inner * length * inner + item % inner
          var sum = T.zero
          for step in 0..<length {
            let place = first + (reverse ? length - 1 - step : step) * inner
            let next = T.sum(sum, source[place])
            target[place] = exclusive ? sum : next
            sum = next
          }
        }
      }
    }
  }
}
