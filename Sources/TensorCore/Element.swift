/// A Swift type that can be the element of a tensor.
public protocol Element: Sendable {
  static var dtype: DType { get }
}

extension Float: Element { public static var dtype: DType { .float32 } }
extension Double: Element { public static var dtype: DType { .float64 } }
extension Float16: Element { public static var dtype: DType { .float16 } }
extension BFloat16: Element { public static var dtype: DType { .bfloat16 } }
extension Int8: Element { public static var dtype: DType { .int8 } }
extension Int16: Element { public static var dtype: DType { .int16 } }
extension Int32: Element { public static var dtype: DType { .int32 } }
extension Int64: Element { public static var dtype: DType { .int64 } }
extension UInt8: Element { public static var dtype: DType { .uint8 } }
extension UInt16: Element { public static var dtype: DType { .uint16 } }
extension UInt32: Element { public static var dtype: DType { .uint32 } }
extension UInt64: Element { public static var dtype: DType { .uint64 } }
extension Bool: Element { public static var dtype: DType { .bool } }

/// The upper 16 bits of a float32.
public struct BFloat16: Sendable, Hashable {
  public var bitPattern: UInt16

  @inlinable public init(bitPattern: UInt16) { self.bitPattern = bitPattern }

  /// Rounds to nearest, ties to even; NaN stays NaN.
  @inlinable public init(_ value: Float) {
    let bits = value.bitPattern
    if value.isNaN {
      bitPattern = UInt16(truncatingIfNeeded: bits >> 16) | 0x40
    } else {
      bitPattern = UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ ((bits >> 16) & 1)) >> 16)
    }
  }

  /// Rounds to nearest, ties to even, once: not to float32 first.
  public init(rounding value: Double) {
    var narrow = Float(value)
    if !value.isNaN, Double(narrow) != value {
      // Cut toward zero with the last bit set, the float is on the right side of every tie.
      if narrow.magnitude.isInfinite || Double(narrow.magnitude) > value.magnitude {
        narrow = Float(bitPattern: narrow.bitPattern - 1)
      }
      narrow = Float(bitPattern: narrow.bitPattern | 1)
    }
    self.init(narrow)
  }

  @inlinable public var float: Float { Float(bitPattern: UInt32(bitPattern) << 16) }
}
