/// The element type of a tensor. Raw values are ONNX's `TensorProto.DataType`.
public enum DType: Int32, Sendable, CaseIterable, Hashable {
  case float32 = 1
  case uint8 = 2
  case int8 = 3
  case uint16 = 4
  case int16 = 5
  case int32 = 6
  case int64 = 7
  case bool = 9
  case float16 = 10
  case float64 = 11
  case uint32 = 12
  case uint64 = 13
  case bfloat16 = 16
  case float8e4m3fn = 17
  case float8e4m3fnuz = 18
  case float8e5m2 = 19
  case float8e5m2fnuz = 20
  case uint4 = 21
  case int4 = 22
  case float4e2m1 = 23
  case float8e8m0 = 24
  case uint2 = 25
  case int2 = 26

  /// Bytes an element takes in memory. Elements of 4 and 2 bits have a byte each; files pack them, see
  /// ``fileByteCount(_:)``.
  public var size: Int {
    switch self {
    case .uint8, .int8, .bool: 1
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0: 1
    case .uint4, .int4, .float4e2m1, .uint2, .int2: 1
    case .uint16, .int16, .float16, .bfloat16: 2
    case .float32, .int32, .uint32: 4
    case .float64, .int64, .uint64: 8
    }
  }

  /// Bits an element takes in files.
  public var bits: Int {
    switch self {
    case .uint4, .int4, .float4e2m1: 4
    case .uint2, .int2: 2
    default: 8 * size
    }
  }

  /// Bytes that so many elements take in files, the last byte perhaps in part; nil when the number overflows.
  public func fileByteCount(_ count: Int) -> Int? {
    if bits < 8 { return count / (8 / bits) + (count % (8 / bits) == 0 ? 0 : 1) }
    let (bytes, overflow) = count.multipliedReportingOverflow(by: size)
    return overflow ? nil : bytes
  }

  /// A float that is computed with. The small floats (``SmallFloat``) are only stored and converted.
  public var isFloat: Bool {
    switch self {
    case .float16, .bfloat16, .float32, .float64: true
    default: false
    }
  }

  /// float16 and bfloat16: stored in 16 bits, computed in float32.
  public var isHalf: Bool { self == .float16 || self == .bfloat16 }

  public var isInteger: Bool { !isFloat && self != .bool && SmallFloat(self) == nil }

  public var isSigned: Bool {
    switch self {
    case .int8, .int16, .int32, .int64, .int4, .int2: true
    case .float8e8m0: false
    default: isFloat || SmallFloat(self) != nil
    }
  }
}

extension DType: CustomStringConvertible {
  /// The name that ONNX and numpy use, such as `float32` and `float8e4m3fn`.
  public var description: String {
    switch self {
    case .float32: "float32"
    case .uint8: "uint8"
    case .int8: "int8"
    case .uint16: "uint16"
    case .int16: "int16"
    case .int32: "int32"
    case .int64: "int64"
    case .bool: "bool"
    case .float16: "float16"
    case .float64: "float64"
    case .uint32: "uint32"
    case .uint64: "uint64"
    case .bfloat16: "bfloat16"
    case .float8e4m3fn: "float8e4m3fn"
    case .float8e4m3fnuz: "float8e4m3fnuz"
    case .float8e5m2: "float8e5m2"
    case .float8e5m2fnuz: "float8e5m2fnuz"
    case .uint4: "uint4"
    case .int4: "int4"
    case .float4e2m1: "float4e2m1"
    case .float8e8m0: "float8e8m0"
    case .uint2: "uint2"
    case .int2: "int2"
    }
  }
}
