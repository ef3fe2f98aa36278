import CKernels
import GraphIR

#if canImport(Glibc)
  import Glibc
#endif

/// Softmax and its logarithm along the middle axis of `[outer, axis, inner]`. y may be x.
enum SoftmaxKernel {
  private static let block = 64

  static func run(
    _ x: Tensor, _ y: Tensor, outer: Int, axis: Int, inner: Int, logarithm: Bool, _ pool: ThreadPool
  ) {
    if x.count == 0 { return }
    if x.dtype == .float64 {
      double(x, y, outer: outer, axis: axis, inner: inner, logarithm: logarithm, pool)
    } else if inner == 1 {
      rows(x, y, outer: outer, axis: axis, logarithm: logarithm, pool)
    } else {
      columns(x, y, outer: outer, axis: axis, inner: inner, logarithm: logarithm, pool)
    }
  }

  private static func rows(
    _ x: Tensor, _ y: Tensor, outer: Int, axis: Int, logarithm: Bool, _ pool: ThreadPool
  ) {
    let source = UnsafePointer(x.pointer(as: Float.self))
    let target = y.pointer(as: Float.self)
    pool.forRanges(outer, grain: max(1, 16384 / axis)) { range in
      for row in range {
        let from = source + row * axis
        let to = target + row * axis
        let largest = ck_row_max(from, axis)
        if logarithm {
          let rest = log(ck_row_sum_exp(from, axis, largest))
          ck_normalize_channel(from, to, axis, Double(largest) + rest, 1, 0)
        } else {
          var factor = Float(1 / ck_exp_shifted_sum(from, to, axis, largest))
          ck_mul_vs(to, &factor, to, axis)
        }
      }
    }
  }

  private static func columns(
    _ x: Tensor, _ y: Tensor, outer: Int, axis: Int, inner: Int, logarithm: Bool, _ pool: ThreadPool
  ) {
    let source = UnsafePointer(x.pointer(as: Float.self))
    let target = y.pointer(as: Float.self)
    let blocks = (inner + block - 1) / block
    pool.forRanges(outer * blocks, grain: max(1, 16384 / (axis * min(inner, block)))) { range in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: block) { largest in
        withUnsafeTemporaryAllocation(of: Double.self, capacity: block) { sums in
          for item in range {
            let column = item % blocks * block
            let n = min(block, inner - column)
            let from = source + item / blocks * axis * inner + column
            let to = target + item / blocks * axis * inner + column
            let most = largest.baseAddress!
            let total = sums.baseAddress!
            most.initialize(repeating: -.infinity, count: n)
            total.initialize(repeating: 0, count: n)
            for k in 0..<axis { ck_columns_max(most, from + k * inner, n) }
            if logarithm {
              for k in 0..<axis { ck_columns_add_exp(total, from + k * inner, most, n) }
              for j in 0..<n { total[j] = Double(most[j]) + log(total[j]) }
              for k in 0..<axis {
                for j in 0..<n { to[k * inner + j] = Float(Double(from[k * inner + j]) - total[j]) }
              }
            } else {
              for k in 0..<axis {
                ck_columns_exp_shifted(total, from + k * inner, to + k * inner, most, n)
              }
              for j in 0..<n { most[j] = Float(1 / total[j]) }
              for k in 0..<axis { ck_mul_vv(to + k * inner, most, to + k * inner, n) }
            }
          }
        }
      }
    }
  }

  private static func double(
    _ x: Tensor, _ y: Tensor, outer: Int, axis: Int, inner: Int, logarithm: Bool, _ pool: ThreadPool
  ) {
    let source = x.pointer(as: Double.self)
    let target = y.pointer(as: Double.self)
    pool.forRanges(outer * inner, grain: max(1, 4096 / axis)) { range in
      for item in range {
        let first = item / inner * axis * inner + item % inner
        var largest = -Double.infinity
        for k in 0..<axis { largest = Double.greatest(largest, source[first + k * inner]) }
        var sum = 0.0
        for k in 0..<axis { sum += exp(source[first + k * inner] - largest) }
        let rest = log(sum)
        for k in 0..<axis {
          let shifted = source[first + k * inner] - largest
          target[first + k * inner] = logarithm ? shifted - rest : exp(shifted) / sum
        }
      }
    }
  }
}
