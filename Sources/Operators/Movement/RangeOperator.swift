import GraphIR

/// `start + i · delta` for as many i from 0 as stay before `limit`.
struct RangeOperator: Operator {
  static let schema = Schema(
    "Range", since: 11, inputs: ["start: T", "limit: T", "delta: T"], outputs: ["output: T"],
    types: ["T": [.float32, .float64, .float16, .bfloat16, .int16, .int32, .int64]])

  init(_ attributes: Attributes) throws {}

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let dtype = try inputs.dtype(0)
    guard let start = inputs.constant(0), let limit = inputs.constant(1), let delta = inputs.constant(2)
    else { return [TensorType(dtype, [.unknown])] }
    for tensor in [start, limit, delta] where tensor.count != 1 {
      throw DataError("an input is \(Shape.text(tensor.shape)), a scalar is needed")
    }
    return [try Movement.limited(dtype, [.known(try RangeOperator.count(start, limit, delta))])]
  }

  private static func count(_ start: Tensor, _ limit: Tensor, _ delta: Tensor) throws -> Int {
    if start.dtype.isFloat {
      let (a, b, d) = (start.doubles()[0], limit.doubles()[0], delta.doubles()[0])
      guard d != 0 else { throw DataError("delta is 0") }
      let count = ((b - a) / d).rounded(.up)
      // Not so for NaN either.
      guard count < 1e18 else { throw DataError("the range from \(a) to \(b) by \(d) is too large") }
      return Int(max(0, count))
    }
    func value(_ tensor: Tensor) -> Int64 { tensor.converted(to: .int64).array(of: Int64.self)[0] }
    let (a, b, d) = (value(start), value(limit), value(delta))
    guard d != 0 else { throw DataError("delta is 0") }
    if d > 0 ? b <= a : b >= a { return 0 }
    // The distance between two Int64 always fits a UInt64.
    let distance = d > 0 ? UInt64(bitPattern: b &- a) : UInt64(bitPattern: a &- b)
    return Int(clamping: (distance - 1) / d.magnitude + 1)
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    let start = try Movement.input(inputs, 0)
    let delta = try Movement.input(inputs, 2)
    try Movement.check(y, is: [try RangeOperator.count(start, try Movement.input(inputs, 1), delta)])
    func real<T: BinaryFloatingPoint>(_ type: T.Type) {
      let (a, d) = (start.pointer(as: type)[0], delta.pointer(as: type)[0])
      let out = y.pointer(as: type)
      for i in 0..<y.count { out[i] = a + T(i) * d }
    }
    func integer<T: FixedWidthInteger>(_ type: T.Type) {
      let (a, d) = (start.pointer(as: type)[0], delta.pointer(as: type)[0])
      let out = y.pointer(as: type)
      for i in 0..<y.count { out[i] = a &+ T(truncatingIfNeeded: i) &* d }
    }
    switch y.dtype {
    case .float32: real(Float.self)
    case .float64: real(Double.self)
    case .int16: integer(Int16.self)
    case .int32: integer(Int32.self)
    case .int64: integer(Int64.self)
    default: throw DataError("a range of \(y.dtype) is not supported")
    }
  }
}
