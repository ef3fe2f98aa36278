import CKernels
import COpenBLAS
import Foundation
import GraphIR

/// float32 or float64: what BLAS multiplies, with the inner loops that attention needs.
protocol MatrixScalar: BinaryFloatingPoint, Element {
  /// C = alpha · op(A) · op(B) + beta · C on the calling thread, for row-major matrices: op(A) is
  /// [m, k], op(B) is [k, n], C is [m, n]; each stride is the distance of stored rows.
  static func gemm(
    _ transposeA: Bool, _ transposeB: Bool, _ m: Int, _ n: Int, _ k: Int, _ alpha: Self,
    _ a: UnsafePointer<Self>, _ strideA: Int, _ b: UnsafePointer<Self>, _ strideB: Int, _ beta: Self,
    _ c: UnsafeMutablePointer<Self>, _ strideC: Int)

  /// How products of these extents are computed by panels; nil where that does not pay, or the type has none.
  /// - Parameter unfolded: how many rows of B are made at a time; 0 where it is in memory.
  static func panels(_ m: Int, _ n: Int, _ k: Int, _ precision: ProductPrecision, unfolded: Int) -> Panels<
    Self
  >?

  /// Turns scores [rows, columns] into exp(score − maximum so far) and brings the running maximum and sum
  /// of each row up to date; `decay` gets the factor by which what came before shrinks.
  static func softmaxPiece(
    _ scores: UnsafeMutablePointer<Self>, rows: Int, columns: Int, stride: Int,
    maximum: UnsafeMutablePointer<Self>, sum: UnsafeMutablePointer<Self>,
    decay: UnsafeMutablePointer<Self>)

  /// x = exp(x − maximum) / sum; zeros where the sum is 0.
  static func softmaxFinish(_ x: UnsafeMutablePointer<Self>, count: Int, maximum: Self, sum: Self)

  /// Turns scores [rows, columns] into probabilities exp(score − lse), and the gradient of these into that of the
  /// scores: probability · (gradient − delta). `lse` and `delta` are [rows].
  static func softmaxGradient(
    _ scores: UnsafeMutablePointer<Self>, _ gradient: UnsafeMutablePointer<Self>?, rows: Int, columns: Int,
    lse: UnsafePointer<Self>, delta: UnsafePointer<Self>)

  /// Multiplies each row of [rows, columns] by its factor.
  static func scaleRows(
    _ x: UnsafeMutablePointer<Self>, rows: Int, columns: Int, by factors: UnsafePointer<Self>)

  static func tanh(_ x: Self) -> Self
  static func log(_ x: Self) -> Self
}

/// OpenBLAS, restricted to the calling thread: this project's own pool shares out tiles, so that a product
/// is cut in the same places whatever the number of threads.
enum BLAS {
  static let singleThreaded: Void = openblas_set_num_threads(1)

  static func transpose(_ flag: Bool) -> CBLAS_TRANSPOSE { flag ? CblasTrans : CblasNoTrans }

  /// - Throws: `DataError` when an extent does not fit the library's 32-bit sizes.
  static func check(_ extents: Int...) throws {
    for extent in extents where extent > Int(Int32.max) {
      throw DataError("a matrix with an extent of \(extent) is too large")
    }
  }
}

extension Float: MatrixScalar {
  static func gemm(
    _ transposeA: Bool, _ transposeB: Bool, _ m: Int, _ n: Int, _ k: Int, _ alpha: Float,
    _ a: UnsafePointer<Float>, _ strideA: Int, _ b: UnsafePointer<Float>, _ strideB: Int,
    _ beta: Float, _ c: UnsafeMutablePointer<Float>, _ strideC: Int
  ) {
    BLAS.singleThreaded
    cblas_sgemm(
      CblasRowMajor, BLAS.transpose(transposeA), BLAS.transpose(transposeB), Int32(m), Int32(n),
      Int32(k), alpha, a, Int32(strideA), b, Int32(strideB), beta, c, Int32(strideC))
  }

  static func softmaxPiece(
    _ scores: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int,
    maximum: UnsafeMutablePointer<Float>, sum: UnsafeMutablePointer<Float>,
    decay: UnsafeMutablePointer<Float>
  ) {
    ck_softmax_piece(scores, rows, columns, stride, maximum, sum, decay)
  }

  static func softmaxFinish(
    _ x: UnsafeMutablePointer<Float>, count: Int, maximum: Float, sum: Float
  ) {
    ck_softmax_finish(x, count, maximum, sum)
  }

  static func softmaxGradient(
    _ scores: UnsafeMutablePointer<Float>, _ gradient: UnsafeMutablePointer<Float>?, rows: Int, columns: Int,
    lse: UnsafePointer<Float>, delta: UnsafePointer<Float>
  ) {
    ck_softmax_gradient(scores, gradient, rows, columns, lse, delta)
  }

  static func scaleRows(
    _ x: UnsafeMutablePointer<Float>, rows: Int, columns: Int, by factors: UnsafePointer<Float>
  ) {
    ck_scale_rows(x, rows, columns, factors)
  }

  static func panels(_ m: Int, _ n: Int, _ k: Int, _ precision: ProductPrecision, unfolded: Int) -> Panels<
    Float
  >? {
    PanelPlan(m, n, k, precision, unfolded: unfolded).map { plan in
      Panels(byteCount: { plan.byteCount(threads: $0) }, run: { PanelProduct(plan, $0).run($1) })
    }
  }

  static func tanh(_ x: Float) -> Float { Foundation.tanh(x) }
  static func log(_ x: Float) -> Float { Foundation.log(x) }
}

extension Double: MatrixScalar {
  static func gemm(
    _ transposeA: Bool, _ transposeB: Bool, _ m: Int, _ n: Int, _ k: Int, _ alpha: Double,
    _ a: UnsafePointer<Double>, _ strideA: Int, _ b: UnsafePointer<Double>, _ strideB: Int,
    _ beta: Double, _ c: UnsafeMutablePointer<Double>, _ strideC: Int
  ) {
    BLAS.singleThreaded
    cblas_dgemm(
      CblasRowMajor, BLAS.transpose(transposeA), BLAS.transpose(transposeB), Int32(m), Int32(n),
      Int32(k), alpha, a, Int32(strideA), b, Int32(strideB), beta, c, Int32(strideC))
  }

  static func softmaxPiece(
    _ scores: UnsafeMutablePointer<Double>, rows: Int, columns: Int, stride: Int,
    maximum: UnsafeMutablePointer<Double>, sum: UnsafeMutablePointer<Double>,
    decay: UnsafeMutablePointer<Double>
  ) {
    for row in 0..<rows {
      let x = scores + row * stride
      var best = maximum[row]
      for i in 0..<columns where x[i] > best { best = x[i] }
      let base = best == -.infinity ? 0 : best
      var added = 0.0
      for i in 0..<columns {
        x[i] = exp(x[i] - base)
        added += x[i]
      }
      decay[row] = exp(maximum[row] - base)
      sum[row] = sum[row] * decay[row] + added
      maximum[row] = best
    }
  }

  static func softmaxFinish(
    _ x: UnsafeMutablePointer<Double>, count: Int, maximum: Double, sum: Double
  ) {
    for i in 0..<count { x[i] = sum == 0 ? 0 : exp(x[i] - maximum) / sum }
  }

  static func softmaxGradient(
    _ scores: UnsafeMutablePointer<Double>, _ gradient: UnsafeMutablePointer<Double>?, rows: Int,
    columns: Int, lse: UnsafePointer<Double>, delta: UnsafePointer<Double>
  ) {
    for row in 0..<rows {
      for i in row * columns..<(row + 1) * columns {
        scores[i] = exp(scores[i] - lse[row])
        if let gradient { gradient[i] = scores[i] * (gradient[i] - delta[row]) }
      }
    }
  }

  static func scaleRows(
    _ x: UnsafeMutablePointer<Double>, rows: Int, columns: Int, by factors: UnsafePointer<Double>
  ) {
    for row in 0..<rows {
      for i in row * columns..<(row + 1) * columns { x[i] *= factors[row] }
    }
  }

  static func panels(_ m: Int, _ n: Int, _ k: Int, _ precision: ProductPrecision, unfolded: Int) -> Panels<
    Double
  >? { nil }

  static func tanh(_ x: Double) -> Double { Foundation.tanh(x) }
  static func log(_ x: Double) -> Double { Foundation.log(x) }
}
