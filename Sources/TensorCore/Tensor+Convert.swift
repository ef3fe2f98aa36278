extension Tensor {
  /// The same elements as another type, with owned memory (or self when the type is the same).
  ///
  /// Float to integer truncates toward zero and saturates; anything to bool is `x != 0`; to float16, bfloat16 and
  /// the small floats rounds to nearest even, to small floats also saturates; anything to an integer of 4 or 2 bits
  /// keeps the lowest bits of the whole number.
  public func converted(to target: DType) -> Tensor {
    target == dtype ? self : converted(to: target, first: count, shape: shape)
  }

  /// The first `limit` elements, flat.
  func converted(to target: DType, first limit: Int) -> Tensor {
    let n = min(limit, count)
    return converted(to: target, first: n, shape: [n])
  }

  private func converted(to target: DType, first n: Int, shape: [Int]) -> Tensor {
    let result = Tensor(target, shape)
    switch dtype {
    case .float32: write(pointer(as: Float.self), n, result) { Double($0) }
    case .float64: write(pointer(as: Double.self), n, result) { $0 }
    case .float16: write(pointer(as: Float16.self), n, result) { Double($0) }
    case .bfloat16: write(pointer(as: BFloat16.self), n, result) { Double($0.float) }
    case .bool: writeInteger(pointer(as: UInt8.self), n, result) { $0 != 0 ? 1 : 0 }
    case .int8: writeInteger(pointer(as: Int8.self), n, result) { Int64($0) }
    case .int16: writeInteger(pointer(as: Int16.self), n, result) { Int64($0) }
    case .int32: writeInteger(pointer(as: Int32.self), n, result) { Int64($0) }
    case .int64: writeInteger(pointer(as: Int64.self), n, result) { $0 }
    case .uint8: writeInteger(pointer(as: UInt8.self), n, result) { Int64($0) }
    case .uint16: writeInteger(pointer(as: UInt16.self), n, result) { Int64($0) }
    case .uint32: writeInteger(pointer(as: UInt32.self), n, result) { Int64($0) }
    case .uint64: writeInteger(pointer(as: UInt64.self), n, result) { Int64(bitPattern: $0) }
    case .int4, .int2: writeInteger(pointer(as: Int8.self), n, result) { Int64($0) }
    case .uint4, .uint2: writeInteger(pointer(as: UInt8.self), n, result) { Int64($0) }
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0, .float4e2m1:
      let format = SmallFloat(dtype)!
      let table = (0..<256).map { Double(format.value(UInt8($0))) }
      write(pointer(as: UInt8.self), n, result) { table[Int($0)] }
    }
    return result
  }

  private func write<S>(
    _ source: UnsafeMutablePointer<S>, _ n: Int, _ result: Tensor, _ value: (S) -> Double
  ) {
    func fill<T>(_ type: T.Type, _ convert: (Double) -> T) {
      let out = result.pointer(as: type)
      for i in 0..<n { out[i] = convert(value(source[i])) }
    }
    func fillInteger<T: FixedWidthInteger>(_ type: T.Type) { fill(type) { T(saturating: $0) } }
    switch result.dtype {
    case .float32: fill(Float.self) { Float($0) }
    case .float64: fill(Double.self) { $0 }
    case .float16: fill(Float16.self) { Float16($0) }
    case .bfloat16: fill(BFloat16.self) { BFloat16(rounding: $0) }
    case .bool: fill(UInt8.self) { $0 != 0 ? 1 : 0 }
    case .int8: fillInteger(Int8.self)
    case .int16: fillInteger(Int16.self)
    case .int32: fillInteger(Int32.self)
    case .int64: fillInteger(Int64.self)
    case .uint8: fillInteger(UInt8.self)
    case .uint16: fillInteger(UInt16.self)
    case .uint32: fillInteger(UInt32.self)
    case .uint64: fillInteger(UInt64.self)
    case .int4, .int2, .uint4, .uint2:
      let lowest = Tensor.lowestBits(result.dtype)
      fill(UInt8.self) { lowest(Int64(saturating: $0)) }
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0, .float4e2m1:
      let format = SmallFloat(result.dtype)!
      fill(UInt8.self) { format.code($0) }
    }
  }

  private func writeInteger<S>(
    _ source: UnsafeMutablePointer<S>, _ n: Int, _ result: Tensor, _ value: (S) -> Int64
  ) {
    let unsigned64 = dtype == .uint64
    func fill<T>(_ type: T.Type, _ convert: (Int64) -> T) {
      let out = result.pointer(as: type)
      for i in 0..<n { out[i] = convert(value(source[i])) }
    }
    func fillFloat<T>(_ type: T.Type, _ convert: (Double) -> T) {
      fill(type) { convert(unsigned64 ? Double(UInt64(bitPattern: $0)) : Double($0)) }
    }
    switch result.dtype {
    case .float32: fill(Float.self) { unsigned64 ? Float(UInt64(bitPattern: $0)) : Float($0) }
    case .float64: fillFloat(Double.self) { $0 }
    case .float16: fillFloat(Float16.self) { Float16($0) }
    case .bfloat16: fillFloat(BFloat16.self) { BFloat16(rounding: $0) }
    case .bool: fill(UInt8.self) { $0 != 0 ? 1 : 0 }
    case .int8: fill(Int8.self) { Int8(truncatingIfNeeded: $0) }
    case .int16: fill(Int16.self) { Int16(truncatingIfNeeded: $0) }
    case .int32: fill(Int32.self) { Int32(truncatingIfNeeded: $0) }
    case .int64: fill(Int64.self) { $0 }
    case .uint8: fill(UInt8.self) { UInt8(truncatingIfNeeded: $0) }
    case .uint16: fill(UInt16.self) { UInt16(truncatingIfNeeded: $0) }
    case .uint32: fill(UInt32.self) { UInt32(truncatingIfNeeded: $0) }
    case .uint64: fill(UInt64.self) { UInt64(bitPattern: $0) }
    case .int4, .int2, .uint4, .uint2: fill(UInt8.self, Tensor.lowestBits(result.dtype))
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0, .float4e2m1:
      let format = SmallFloat(result.dtype)!
      fillFloat(UInt8.self) { format.code($0) }
    }
  }
}

extension Tensor {
  /// Gives the byte that holds the lowest bits of a number as an element of 4 or 2 bits, with its sign.
  fileprivate static func lowestBits(_ dtype: DType) -> (Int64) -> UInt8 {
    let unused = Int64(64 - dtype.bits)
    let isSigned = dtype.isSigned
    return { number in
      let high = number << unused
      return UInt8(
        truncatingIfNeeded: isSigned
          ? high >> unused : Int64(bitPattern: UInt64(bitPattern: high) >> UInt64(unused)))
    }
  }
}

extension FixedWidthInteger {
  /// Truncates toward zero; NaN is 0; out of range saturates.
  public init(saturating value: Double) {
    if value.isNaN {
      self = 0
      return
    }
    let truncated = value.rounded(.towardZero)
    if let exact = Self(exactly: truncated) { self = exact } else { self = value < 0 ? .min : .max }
  }
}
