/// The layout of a float of 8 or 4 bits: sign, exponent, mantissa, as ONNX defines the float8 and float4 types.
public struct SmallFloat: Sendable, Equatable {
  /// What stands in place of values beyond the largest one.
  enum Specials: Sendable { case none, nan, nanIsNegativeZero, infinityAndNan }

  /// What becomes of values between two floats of ``DType/float8e8m0``; all other types round to nearest even.
  public enum Rounding: String, Sendable { case up, down, nearest }

  let exponentBits: Int
  let mantissaBits: Int
  let bias: Int
  let specials: Specials
  /// A type of exponents alone: no sign, no zero.
  let isPower: Bool

  public init?(_ dtype: DType) {
    isPower = dtype == .float8e8m0
    (exponentBits, mantissaBits, bias, specials) =
      switch dtype {
      case .float8e4m3fn: (4, 3, 7, .nan)
      case .float8e4m3fnuz: (4, 3, 8, .nanIsNegativeZero)
      case .float8e5m2: (5, 2, 15, .infinityAndNan)
      case .float8e5m2fnuz: (5, 2, 16, .nanIsNegativeZero)
      case .float8e8m0: (8, 0, 127, .nan)
      case .float4e2m1: (2, 1, 1, .none)
      default: (0, 0, 0, .none)
      }
    if exponentBits == 0 { return nil }
  }

  private var signBit: UInt8 { isPower ? 0 : 1 << UInt8(exponentBits + mantissaBits) }
  private var nan: UInt8 { specials == .nanIsNegativeZero ? signBit : isPower ? 0xFF : signBit - 1 }

  /// The code of the largest finite value.
  private var largest: UInt8 {
    switch specials {
    case .none, .nanIsNegativeZero: signBit - 1
    case .nan: (isPower ? 0xFF : signBit - 1) - 1
    case .infinityAndNan: infinity - 1
    }
  }
  private var infinity: UInt8 { (signBit - 1) & ~(1 << UInt8(mantissaBits) - 1) }

  /// The value of a code.
  public func value(_ code: UInt8) -> Float {
    if isPower { return code == 0xFF ? .nan : Float(sign: .plus, exponent: Int(code) - bias, significand: 1) }
    let magnitude = code & (signBit - 1)
    let sign: FloatingPointSign = code & signBit == 0 ? .plus : .minus
    switch specials {
    case .nanIsNegativeZero where code == signBit, .nan where magnitude == nan: return .nan
    case .infinityAndNan where magnitude >= infinity:
      return magnitude == infinity ? Float(sign: sign, exponent: 0, significand: .infinity) : .nan
    default: break
    }
    let exponent = Int(magnitude) >> mantissaBits
    let mantissa = Int(magnitude) & (1 << mantissaBits - 1)
    let whole = exponent == 0 ? mantissa : mantissa + 1 << mantissaBits
    return Float(
      sign: sign, exponent: max(exponent, 1) - bias - mantissaBits, significand: Float(whole))
  }

  /// The code nearest to a value, ties to even.
  /// - Parameter saturating: whether values beyond the largest one become that one; else they become infinity or,
  ///   where there is none, NaN.
  public func code(_ value: Double, saturating: Bool = true, rounding: Rounding = .up) -> UInt8 {
    if isPower { return power(value, saturating, rounding) }
    let sign: UInt8 = value.sign == .minus ? signBit : 0
    // Where there is no NaN, it becomes the negative zero.
    if value.isNaN { return specials == .none ? signBit : specials == .nanIsNegativeZero ? nan : sign | nan }
    let magnitude = value.magnitude
    var code = largest + 1
    if magnitude.isFinite {
      let exponent = max(magnitude == 0 ? Int.min : Int(magnitude.exponent), 1 - bias)
      // Whole steps of the binade; as many as the mantissa holds carry over into the exponent by themselves.
      let unit = Double(sign: .plus, exponent: exponent - mantissaBits, significand: 1)
      let steps = Int((magnitude / unit).rounded(.toNearestOrEven))
      code = UInt8(clamping: min(steps + (exponent + bias - 1) << mantissaBits, 0xFF))
    }
    if code > largest {
      if saturating || specials == .none { return sign | largest }
      return specials == .infinityAndNan ? sign | infinity : specials == .nan ? sign | nan : nan
    }
    // The types without a negative zero spend its code on NaN.
    return code == 0 && specials == .nanIsNegativeZero ? 0 : sign | code
  }

  private func power(_ value: Double, _ saturating: Bool, _ rounding: Rounding) -> UInt8 {
    if value.isNaN { return nan }
    let magnitude = value.magnitude
    if magnitude == 0 { return 0 }
    if magnitude.isInfinite { return saturating ? largest : nan }
    var exponent = Int(magnitude.exponent)
    let significand = magnitude.significand
    switch rounding {
    case .up where significand > 1, .nearest where significand >= 1.5: exponent += 1
    default: break
    }
    if exponent + bias > Int(largest) { return saturating ? largest : nan }
    return UInt8(max(exponent + bias, 0))
  }
}
