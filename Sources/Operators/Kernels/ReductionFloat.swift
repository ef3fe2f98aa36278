import CKernels
import GraphIR

#if canImport(Glibc)
  import Glibc
#endif

/// What a reduction computes.
enum ReductionKind: Sendable {
  case sum, mean, product, max, min, l1, l2, sumSquares, logSum, logSumExp

  /// What becomes of a real sum of terms.
  func finish(_ total: Double, count: Int) -> Double {
    switch self {
    case .mean: total / Double(count)
    case .l2: total.squareRoot()
    case .logSum: log(total)
    default: total
    }
  }
}

/// float32 sums of elements, magnitudes or squares through vectorised loops with float64 accumulators.
struct FloatSumReducer: Reducer {
  let kind: ReductionKind
  var start: Double { 0 }

  func run(_ accumulator: inout Double, _ x: UnsafePointer<Float>, _ n: Int, _ result: Int) {
    switch kind {
    case .l1: accumulator += ck_row_sum_abs(x, n)
    case .l2, .sumSquares: accumulator += ck_row_sum_squares(x, n)
    default: accumulator += ck_row_sum(x, n)
    }
  }

  func columns(
    _ accumulators: UnsafeMutablePointer<Double>, _ x: UnsafePointer<Float>, _ n: Int, _ result: Int
  ) {
    switch kind {
    case .l1: ck_columns_add_abs(accumulators, x, n)
    case .l2, .sumSquares: ck_columns_add_squares(accumulators, x, n)
    default: ck_columns_add(accumulators, x, n)
    }
  }

  func finish(_ accumulator: Double, count: Int, _ result: Int) -> Float {
    Float(kind.finish(accumulator, count: count))
  }
}

/// The largest or smallest float32, NaN where there is one.
struct FloatExtremeReducer: Reducer {
  let largest: Bool
  var start: Float { largest ? -.infinity : .infinity }

  func run(_ accumulator: inout Float, _ x: UnsafePointer<Float>, _ n: Int, _ result: Int) {
    accumulator =
      largest
      ? Float.greatest(accumulator, ck_row_max(x, n)) : Float.least(accumulator, ck_row_min(x, n))
  }

  func columns(
    _ accumulators: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ n: Int, _ result: Int
  ) {
    if largest { ck_columns_max(accumulators, x, n) } else { ck_columns_min(accumulators, x, n) }
  }

  func finish(_ accumulator: Float, count: Int, _ result: Int) -> Float { accumulator }
}

/// log Σ e^x where the largest element of each result is known already.
struct FloatLogSumExpReducer: Reducer {
  /// One per result.
  let largest: UnsafePointer<Float>
  var start: Double { 0 }

  func run(_ accumulator: inout Double, _ x: UnsafePointer<Float>, _ n: Int, _ result: Int) {
    accumulator += ck_row_sum_exp(x, n, largest[result])
  }

  func columns(
    _ accumulators: UnsafeMutablePointer<Double>, _ x: UnsafePointer<Float>, _ n: Int, _ result: Int
  ) {
    ck_columns_add_exp(accumulators, x, largest + result, n)
  }

  func finish(_ accumulator: Double, count: Int, _ result: Int) -> Float {
    let shift = largest[result]
    // An infinite shift would make the difference NaN; then it is the result itself.
    return shift.isFinite ? Float(Double(shift) + log(accumulator)) : shift
  }
}
