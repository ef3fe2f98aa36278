import GraphIR

#if canImport(Glibc)
  import Glibc
#endif

/// Any reduction except the extremes of any element type, in float64.
struct RealReducer<T: ArithmeticElement>: Reducer {
  let kind: ReductionKind
  /// For `logSumExp`: the largest element of each result.
  let largest: UnsafePointer<T>?
  var start: Double { kind == .product ? 1 : 0 }

  @inline(__always) private func fold(_ a: Double, _ x: T, _ result: Int) -> Double {
    switch kind {
    case .product: a * x.double
    case .l1: a + abs(x.double)
    case .l2, .sumSquares: a + x.double * x.double
    case .logSumExp: a + exp(x.double - largest![result].double)
    default: a + x.double
    }
  }

  func run(_ accumulator: inout Double, _ x: UnsafePointer<T>, _ n: Int, _ result: Int) {
    for i in 0..<n { accumulator = fold(accumulator, x[i], result) }
  }

  func columns(
    _ accumulators: UnsafeMutablePointer<Double>, _ x: UnsafePointer<T>, _ n: Int, _ result: Int
  ) {
    for j in 0..<n { accumulators[j] = fold(accumulators[j], x[j], result + j) }
  }

  func finish(_ accumulator: Double, count: Int, _ result: Int) -> T {
    guard kind == .logSumExp else { return T(rounding: kind.finish(accumulator, count: count)) }
    let shift = largest![result].double
    return T(rounding: shift.isFinite && count > 0 ? shift + log(accumulator) : shift)
  }
}

/// Sums and products of integers, wrapped to the element type; means truncate toward zero.
struct IntegerReducer<T: ArithmeticElement & FixedWidthInteger>: Reducer {
  let kind: ReductionKind
  var start: Int64 { kind == .product ? 1 : 0 }

  @inline(__always) private func fold(_ a: Int64, _ x: T) -> Int64 {
    let value = Int64(truncatingIfNeeded: x)
    return switch kind {
    case .product: a &* value
    case .l1: a &+ Int64(truncatingIfNeeded: x.absolute)
    case .sumSquares: a &+ value &* value
    default: a &+ value
    }
  }

  func run(_ accumulator: inout Int64, _ x: UnsafePointer<T>, _ n: Int, _ result: Int) {
    for i in 0..<n { accumulator = fold(accumulator, x[i]) }
  }

  func columns(
    _ accumulators: UnsafeMutablePointer<Int64>, _ x: UnsafePointer<T>, _ n: Int, _ result: Int
  ) {
    for j in 0..<n { accumulators[j] = fold(accumulators[j], x[j]) }
  }

  func finish(_ accumulator: Int64, count: Int, _ result: Int) -> T {
    guard kind == .mean else { return T(truncatingIfNeeded: accumulator) }
    if count == 0 { return 0 }
    return T.isSigned
      ? T(truncatingIfNeeded: accumulator / Int64(count))
      : T(truncatingIfNeeded: UInt64(bitPattern: accumulator) / UInt64(count))
  }
}

/// The largest or smallest element of any type, NaN where there is one.
struct ExtremeReducer<T: ArithmeticElement>: Reducer {
  let largest: Bool
  var start: T { largest ? T.lowest : T.highest }

  @inline(__always) private func fold(_ a: T, _ x: T) -> T {
    largest ? T.greatest(a, x) : T.least(a, x)
  }

  func run(_ accumulator: inout T, _ x: UnsafePointer<T>, _ n: Int, _ result: Int) {
    for i in 0..<n { accumulator = fold(accumulator, x[i]) }
  }

  func columns(
    _ accumulators: UnsafeMutablePointer<T>, _ x: UnsafePointer<T>, _ n: Int, _ result: Int
  ) {
    for j in 0..<n { accumulators[j] = fold(accumulators[j], x[j]) }
  }

  func finish(_ accumulator: T, count: Int, _ result: Int) -> T { accumulator }
}

extension ReductionKernel {
  /// Reduces x to y, of the same element type.
  /// - Throws: `DataError` for element types that are not computed with.
  static func run(
    _ kind: ReductionKind, _ x: Tensor, _ y: Tensor, _ layout: ReductionLayout, _ pool: ThreadPool
  ) throws {
    switch x.dtype {
    case .float32: runFloat(kind, x, y, layout, pool)
    case .int8: runInteger(kind, x, y, layout, pool, Int8.self)
    case .int16: runInteger(kind, x, y, layout, pool, Int16.self)
    case .int32: runInteger(kind, x, y, layout, pool, Int32.self)
    case .int64: runInteger(kind, x, y, layout, pool, Int64.self)
    case .uint8: runInteger(kind, x, y, layout, pool, UInt8.self)
    case .bool:
      runInteger(kind, x, y, layout, pool, UInt8.self)
      // The least of nothing is "true", not the highest byte.
      let flags = y.pointer(as: UInt8.self)
      for i in 0..<y.count where flags[i] > 1 { flags[i] = 1 }
    case .uint16: runInteger(kind, x, y, layout, pool, UInt16.self)
    case .uint32: runInteger(kind, x, y, layout, pool, UInt32.self)
    case .uint64: runInteger(kind, x, y, layout, pool, UInt64.self)
    case .float64: runReal(kind, x, y, layout, pool, Double.self)
    default: throw DataError("\(x.dtype) is not computed with directly")
    }
  }

  private static func runFloat(
    _ kind: ReductionKind, _ x: Tensor, _ y: Tensor, _ layout: ReductionLayout, _ pool: ThreadPool
  ) {
    switch kind {
    case .max, .min: run(x, y, layout, FloatExtremeReducer(largest: kind == .max), pool)
    case .product: run(x, y, layout, RealReducer<Float>(kind: kind, largest: nil), pool)
    case .logSumExp:
      // The maxima are kept in the result, each of which the second pass replaces last.
      run(x, y, layout, FloatExtremeReducer(largest: true), pool)
      run(x, y, layout, FloatLogSumExpReducer(largest: y.pointer(as: Float.self)), pool)
    default: run(x, y, layout, FloatSumReducer(kind: kind), pool)
    }
  }

  private static func runReal<T: ArithmeticElement>(
    _ kind: ReductionKind, _ x: Tensor, _ y: Tensor, _ layout: ReductionLayout, _ pool: ThreadPool,
    _ type: T.Type
  ) {
    switch kind {
    case .max, .min: run(x, y, layout, ExtremeReducer<T>(largest: kind == .max), pool)
    case .logSumExp:
      run(x, y, layout, ExtremeReducer<T>(largest: true), pool)
      run(x, y, layout, RealReducer<T>(kind: kind, largest: y.pointer(as: type)), pool)
    default: run(x, y, layout, RealReducer<T>(kind: kind, largest: nil), pool)
    }
  }

  private static func runInteger<T: ArithmeticElement & FixedWidthInteger>(
    _ kind: ReductionKind, _ x: Tensor, _ y: Tensor, _ layout: ReductionLayout, _ pool: ThreadPool,
    _ type: T.Type
  ) {
    switch kind {
    case .sum, .mean, .product, .l1, .sumSquares:
      run(x, y, layout, IntegerReducer<T>(kind: kind), pool)
    default: runReal(kind, x, y, layout, pool, type)
    }
  }
}
