import CKernels
import GraphIR

/// Normalizations of float32 and float64 tensors. y may be x.
enum NormalizationKernel {
  /// y = (x - mean) / √(variance + epsilon) · scale + bias over rows of `n` elements; scale and bias hold n
  /// elements. With `centered` false the mean is taken as 0. `means` and `inverses` get the statistics.
  static func rows(
    _ x: Tensor, _ y: Tensor, _ n: Int, epsilon: Double, centered: Bool = true, scale: Tensor?,
    bias: Tensor?, means: Tensor? = nil, inverses: Tensor? = nil, _ pool: ThreadPool
  ) {
    guard n > 0 else { return }
    let target = y.pointer
    pool.forRanges(x.count / n, grain: max(1, 16384 / n)) { range in
      for row in range {
        let (mean, inverse): (Double, Double)
        if x.dtype == .float64 {
          let from = x.pointer(as: Double.self) + row * n
          let to = target.assumingMemoryBound(to: Double.self) + row * n
          (mean, inverse) = statistics(from, n, epsilon, centered)
          let factors = scale?.pointer(as: Double.self)
          let shifts = bias?.pointer(as: Double.self)
          for i in 0..<n {
            to[i] = (from[i] - mean) * inverse * (factors?[i] ?? 1) + (shifts?[i] ?? 0)
          }
        } else {
          let from = x.pointer(as: Float.self) + row * n
          let to = target.assumingMemoryBound(to: Float.self) + row * n
          (mean, inverse) = statistics(from, n, epsilon, centered)
          ck_normalize_row(
            from, to, n, mean, inverse, scale?.pointer(as: Float.self), bias?.pointer(as: Float.self))
        }
        store(mean, means, row)
        store(inverse, inverses, row)
      }
    }
  }

  /// y = (x - mean) / √(variance + epsilon) · scale + bias, with statistics over each of `groups` groups of
  /// the channels of x: `[batch, channels, size]`. `factor(c)` is where channel c's scale and bias are.
  static func groups(
    _ x: Tensor, _ y: Tensor, channels: Int, size: Int, groups: Int, epsilon: Double, scale: Tensor,
    bias: Tensor, factor: (Int) -> Int, _ pool: ThreadPool
  ) {
    guard x.count > 0 else { return }
    let perGroup = channels / groups
    let n = perGroup * size
    pool.forRanges(x.count / n, grain: max(1, 16384 / n)) { range in
      for group in range {
        let first = group % groups * perGroup
        if x.dtype == .float64 {
          let from = x.pointer(as: Double.self) + group * n
          let to = y.pointer(as: Double.self) + group * n
          let (mean, inverse) = statistics(from, n, epsilon, true)
          for c in 0..<perGroup {
            let place = factor(first + c)
            let slope = inverse * scale.pointer(as: Double.self)[place]
            let shift = bias.pointer(as: Double.self)[place]
            for i in c * size..<(c + 1) * size { to[i] = (from[i] - mean) * slope + shift }
          }
        } else {
          let from = x.pointer(as: Float.self) + group * n
          let to = y.pointer(as: Float.self) + group * n
          let (mean, inverse) = statistics(from, n, epsilon, true)
          for c in 0..<perGroup {
            let place = factor(first + c)
            ck_normalize_channel(
              from + c * size, to + c * size, size, mean,
              inverse * Double(scale.pointer(as: Float.self)[place]),
              bias.pointer(as: Float.self)[place])
          }
        }
      }
    }
  }

  /// y = (x - mean[c]) · slope[c] + shift[c] on x: `[batch, channels, size]`.
  static func channels(
    _ x: Tensor, _ y: Tensor, size: Int, mean: [Double], slope: [Double], shift: [Double],
    _ pool: ThreadPool
  ) {
    guard x.count > 0 else { return }
    pool.forRanges(x.count / size, grain: max(1, 16384 / size)) { range in
      for row in range {
        let c = row % mean.count
        if x.dtype == .float64 {
          let from = x.pointer(as: Double.self) + row * size
          let to = y.pointer(as: Double.self) + row * size
          for i in 0..<size { to[i] = (from[i] - mean[c]) * slope[c] + shift[c] }
        } else {
          ck_normalize_channel(
            x.pointer(as: Float.self) + row * size, y.pointer(as: Float.self) + row * size, size,
            mean[c], slope[c], Float(shift[c]))
        }
      }
    }
  }

  private static func statistics(
    _ x: UnsafePointer<Float>, _ n: Int, _ epsilon: Double, _ centered: Bool
  ) -> (mean: Double, inverse: Double) {
    var mean = 0.0
    var variance = 0.0
    if centered {
      ck_moments(x, n, &mean, &variance)
    } else {
      variance = ck_row_sum_squares(x, n) / Double(n)
    }
    return (mean, 1 / (variance + epsilon).squareRoot())
  }

  private static func statistics(
    _ x: UnsafePointer<Double>, _ n: Int, _ epsilon: Double, _ centered: Bool
  ) -> (mean: Double, inverse: Double) {
    var mean = 0.0
    if centered {
      for i in 0..<n { mean += x[i] }
      mean /= Double(n)
    }
    var squares = 0.0
    for i in 0..<n { squares += (x[i] - mean) * (x[i] - mean) }
    return (mean, 1 / (squares / Double(n) + epsilon).squareRoot())
  }

  private static func store(_ value: Double, _ tensor: Tensor?, _ index: Int) {
    guard let tensor else { return }
    if tensor.dtype == .float64 {
      tensor.pointer(as: Double.self)[index] = value
    } else {
      tensor.pointer(as: Float.self)[index] = Float(value)
    }
  }
}
