import GraphIR

#if canImport(Glibc)
  import Glibc
#endif

/// An element type with ONNX's arithmetic: integers wrap and never trap, floats follow IEEE 754.
protocol ArithmeticElement: Element, Comparable {
  static func sum(_ a: Self, _ b: Self) -> Self
  static func difference(_ a: Self, _ b: Self) -> Self
  static func product(_ a: Self, _ b: Self) -> Self
  /// Integers truncate toward zero. The caller has refused integer divisors of 0.
  static func quotient(_ a: Self, _ b: Self) -> Self
  /// The remainder of truncated (`fmod`) or floored division. The caller has refused integer divisors of 0.
  static func remainder(_ a: Self, _ b: Self, truncated: Bool) -> Self
  /// Integer powers wrap; negative ones are 0 except those of ±1.
  static func power(_ a: Self, _ b: Int64) -> Self
  static var zero: Self { get }
  static var one: Self { get }
  static var lowest: Self { get }
  static var highest: Self { get }
  var negated: Self { get }
  var absolute: Self { get }
  /// -1, 0 or 1; NaN stays NaN.
  var signOrZero: Self { get }
  var isNotANumber: Bool { get }
  var double: Double { get }
  /// Truncates toward zero and saturates where the type is an integer.
  init(rounding value: Double)
}

extension ArithmeticElement {
  /// The smaller; NaN when either is NaN.
  @inline(__always) static func least(_ a: Self, _ b: Self) -> Self {
    a.isNotANumber || a < b ? a : b
  }
  /// The larger; NaN when either is NaN.
  @inline(__always) static func greatest(_ a: Self, _ b: Self) -> Self {
    a.isNotANumber || a > b ? a : b
  }
}

extension ArithmeticElement where Self: FixedWidthInteger {
  @inline(__always) static func sum(_ a: Self, _ b: Self) -> Self { a &+ b }
  @inline(__always) static func difference(_ a: Self, _ b: Self) -> Self { a &- b }
  @inline(__always) static func product(_ a: Self, _ b: Self) -> Self { a &* b }
  @inline(__always) static func quotient(_ a: Self, _ b: Self) -> Self {
    a.dividedReportingOverflow(by: b).partialValue
  }
  static func remainder(_ a: Self, _ b: Self, truncated: Bool) -> Self {
    // The lowest value over -1 overflows the quotient; the remainder is 0 all the same.
    let (rest, overflow) = a.remainderReportingOverflow(dividingBy: b)
    if overflow { return 0 }
    return !truncated && rest != 0 && (rest < 0) != (b < 0) ? rest &+ b : rest
  }
  static func power(_ a: Self, _ b: Int64) -> Self {
    if b < 0 {
      if a == 1 { return 1 }
      // Of negative powers only those of ±1 are integers other than 0.
      return Self.isSigned && a == (0 as Self) &- 1 ? (b & 1 == 0 ? 1 : a) : 0
    }
    var result: Self = 1
    var base = a
    var exponent = b
    while exponent > 0 {
      if exponent & 1 == 1 { result = result &* base }
      base = base &* base
      exponent >>= 1
    }
    return result
  }
  static var one: Self { 1 }
  static var lowest: Self { min }
  static var highest: Self { max }
  @inline(__always) var negated: Self { 0 &- self }
  @inline(__always) var absolute: Self { self < 0 ? 0 &- self : self }
  @inline(__always) var signOrZero: Self { signum() }
  @inline(__always) var isNotANumber: Bool { false }
  // Conversions go through 64-bit integers: the generic ones of the standard library are 50 times slower.
  @inline(__always) var double: Double {
    Self.isSigned ? Double(Int64(truncatingIfNeeded: self)) : Double(UInt64(truncatingIfNeeded: self))
  }
  @inline(__always) init(rounding value: Double) {
    // The first power of two above the range; the conversion itself would trap outside of it.
    let limit = Self.isSigned ? -Self.min.double : 2 * Self.highestBit.double
    let whole = value.rounded(.towardZero)
    if whole >= limit {
      self = .max
    } else if whole < Self.min.double {
      self = .min
    } else {
      let finite = whole.isNaN ? 0 : whole
      self =
        Self.isSigned
        ? Self(truncatingIfNeeded: Int64(finite)) : Self(truncatingIfNeeded: UInt64(finite))
    }
  }
}

extension FixedWidthInteger {
  @inline(__always) fileprivate static var highestBit: Self { 1 << (bitWidth - 1) }
}

extension ArithmeticElement where Self: BinaryFloatingPoint {
  @inline(__always) static func sum(_ a: Self, _ b: Self) -> Self { a + b }
  @inline(__always) static func difference(_ a: Self, _ b: Self) -> Self { a - b }
  @inline(__always) static func product(_ a: Self, _ b: Self) -> Self { a * b }
  @inline(__always) static func quotient(_ a: Self, _ b: Self) -> Self { a / b }
  static func remainder(_ a: Self, _ b: Self, truncated: Bool) -> Self {
    let rest = a.truncatingRemainder(dividingBy: b)
    return !truncated && rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest
  }
  static func power(_ a: Self, _ b: Int64) -> Self { Self(pow(Double(a), Double(b))) }
  static var one: Self { 1 }
  static var lowest: Self { -infinity }
  static var highest: Self { infinity }
  @inline(__always) var negated: Self { -self }
  @inline(__always) var absolute: Self { magnitude }
  @inline(__always) var signOrZero: Self { self > 0 ? 1 : self < 0 ? -1 : self }
  @inline(__always) var isNotANumber: Bool { self != self }
  @inline(__always) var double: Double { Double(self) }
  @inline(__always) init(rounding value: Double) { self.init(value) }
}

extension Float: ArithmeticElement {}
extension Double: ArithmeticElement {}
extension Int8: ArithmeticElement {}
extension Int16: ArithmeticElement {}
extension Int32: ArithmeticElement {}
extension Int64: ArithmeticElement {}
extension UInt8: ArithmeticElement {}
extension UInt16: ArithmeticElement {}
extension UInt32: ArithmeticElement {}
extension UInt64: ArithmeticElement {}

/// Work that is written once for every element type.
protocol ArithmeticVisitor {
  associatedtype Result
  func visit<T: ArithmeticElement>(_ type: T.Type) throws -> Result
}

extension DType {
  /// Calls the visitor with the Swift type of the elements (bool as its bytes).
  /// - Throws: `DataError` for 16-bit floats, which are widened before a kernel sees them, and for types that are
  ///   only stored.
  func visit<V: ArithmeticVisitor>(_ visitor: V) throws -> V.Result {
    switch self {
    case .float32: try visitor.visit(Float.self)
    case .float64: try visitor.visit(Double.self)
    case .int8: try visitor.visit(Int8.self)
    case .int16: try visitor.visit(Int16.self)
    case .int32: try visitor.visit(Int32.self)
    case .int64: try visitor.visit(Int64.self)
    case .uint8, .bool: try visitor.visit(UInt8.self)
    case .uint16: try visitor.visit(UInt16.self)
    case .uint32: try visitor.visit(UInt32.self)
    case .uint64: try visitor.visit(UInt64.self)
    default: throw DataError("\(self) is not computed with directly")
    }
  }
}
