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

  /// Bytes an element takes.
  public var size: Int {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16, .float16, .bfloat16: 2
    case .float32, .int32, .uint32: 4
    case .float64, .int64, .uint64: 8
    }
  }

  public var isFloat: Bool {
    switch self {
    case .float16, .bfloat16, .float32, .float64: true
    default: false
    }
  }

  /// float16 and bfloat16: stored in 16 bits, computed in float32.
  public var isHalf: Bool { self == .float16 || self == .bfloat16 }

  public var isInteger: Bool { !isFloat && self != .bool }

  public var isSigned: Bool {
    switch self {
    case .int8, .int16, .int32, .int64: true
    default: isFloat
    }
  }
}

extension DType: CustomStringConvertible {
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
    }
  }
}
