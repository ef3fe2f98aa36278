import GraphIR

/// The position of the largest or smallest element along one axis; int64.
protocol ArgExtremeOperator: Operator {
  static var largest: Bool { get }
  var axis: ArgAxis { get }
}

/// The attributes of ArgMax and ArgMin.
struct ArgAxis: Sendable {
  let axis: Int
  let keepsDims: Bool
  let selectsLast: Bool

  init(_ attributes: Attributes) throws {
    axis = try attributes.required("axis", attributes.int("axis"))
    keepsDims = try attributes.bool("keepdims")
    selectsLast = try attributes.bool("select_last_index")
  }
}

extension ArgExtremeOperator {
  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    guard var shape = try inputs.shape(0) else { return [TensorType(.int64, nil as [Dim]?)] }
    let at = try InferenceInputs.axis(axis.axis, rank: shape.count)
    if shape[at].value == 0 { throw DataError("axis \(axis.axis) has no elements") }
    if axis.keepsDims { shape[at] = 1 } else { shape.remove(at: at) }
    return [TensorType(.int64, shape)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = outputs[0] else { return }
    let at = try InferenceInputs.axis(axis.axis, rank: x.rank)
    guard x.shape[at] > 0 else { throw DataError("axis \(axis.axis) has no elements") }
    try ArgExtremeKernel.run(
      x, y, outer: Shape.count(Array(x.shape[..<at])), axis: x.shape[at],
      inner: Shape.count(Array(x.shape[(at + 1)...])), largest: Self.largest, last: axis.selectsLast,
      context.pool)
  }
}

extension Schema {
  static func argExtreme(_ name: String) -> Schema {
    Schema(
      name, since: 13, inputs: ["data: T"], outputs: ["reduced: I"],
      types: ["T": .numbers, "I": [.int64]],
      attributes: ["axis": .int(0), "keepdims": .int(1), "select_last_index": .int(0)])
  }
}

/// The position of the largest element along an axis.
struct ArgMax: ArgExtremeOperator {
  static let schema = Schema.argExtreme("ArgMax")
  static let largest = true
  let axis: ArgAxis
  init(_ attributes: Attributes) throws { axis = try ArgAxis(attributes) }
}

/// The position of the smallest element along an axis.
struct ArgMin: ArgExtremeOperator {
  static let schema = Schema.argExtreme("ArgMin")
  static let largest = false
  let axis: ArgAxis
  init(_ attributes: Attributes) throws { axis = try ArgAxis(attributes) }
}
