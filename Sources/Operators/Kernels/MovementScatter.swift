import GraphIR

/// How a scattered value joins what is already there.
enum ScatterReduction: String {
  case none, add, mul, min, max

  /// - Throws: `DataError` when the attribute names none of them.
  init(_ attributes: Attributes) throws {
    let name = try attributes.string("reduction") ?? "none"
    guard let value = ScatterReduction(rawValue: name) else {
      throw DataError("reduction '\(name)' is not none, add, mul, min or max")
    }
    self = value
  }

  /// Writes row `i` of `updates` to the elements of `target` from `offsets[i]`, in order; later rows come on
  /// top of earlier ones. Rows have `length` elements.
  /// - Throws: `DataError` for arithmetic on bool.
  func scatter(_ updates: Tensor, into target: Tensor, _ offsets: [Int], length: Int) throws {
    func write<T>(_ type: T.Type, _ combine: (T, T) -> T) {
      let x = updates.pointer(as: type)
      let y = target.pointer(as: type)
      for (row, offset) in offsets.enumerated() {
        for i in 0..<length { y[offset &+ i] = combine(y[offset &+ i], x[row &* length &+ i]) }
      }
    }
    func real<T: FloatingPoint>(_ type: T.Type) {
      switch self {
      case .add: write(type) { $0 + $1 }
      case .mul: write(type) { $0 * $1 }
      // NaN wins, as in numpy.
      case .min: write(type) { $0.isNaN || $0 < $1 ? $0 : $1 }
      case .max: write(type) { $0.isNaN || $0 > $1 ? $0 : $1 }
      case .none: write(type) { $1 }
      }
    }
    func integer<T: FixedWidthInteger>(_ type: T.Type) {
      switch self {
      case .add: write(type) { $0 &+ $1 }
      case .mul: write(type) { $0 &* $1 }
      case .min: write(type) { Swift.min($0, $1) }
      case .max: write(type) { Swift.max($0, $1) }
      case .none: write(type) { $1 }
      }
    }
    func brain() {
      func write2(_ combine: (Float, Float) -> Float) {
        write(BFloat16.self) { BFloat16(combine($0.float, $1.float)) }
      }
      switch self {
      case .add: write2 { $0 + $1 }
      case .mul: write2 { $0 * $1 }
      case .min: write2 { $0.isNaN || $0 < $1 ? $0 : $1 }
      case .max: write2 { $0.isNaN || $0 > $1 ? $0 : $1 }
      case .none: write(UInt16.self) { $1 }
      }
    }
    if self == .none {
      switch target.dtype.size {
      case 1: write(UInt8.self) { $1 }
      case 2: write(UInt16.self) { $1 }
      case 4: write(UInt32.self) { $1 }
      default: write(UInt64.self) { $1 }
      }
      return
    }
    switch target.dtype {
    case .float32: real(Float.self)
    case .float64: real(Double.self)
    case .float16: real(Float16.self)
    case .bfloat16: brain()
    case .int8: integer(Int8.self)
    case .int16: integer(Int16.self)
    case .int32: integer(Int32.self)
    case .int64: integer(Int64.self)
    case .uint8: integer(UInt8.self)
    case .uint16: integer(UInt16.self)
    case .uint32: integer(UInt32.self)
    case .uint64: integer(UInt64.self)
    default: throw DataError("reduction '\(rawValue)' does not work on \(target.dtype)")
    }
  }
}
