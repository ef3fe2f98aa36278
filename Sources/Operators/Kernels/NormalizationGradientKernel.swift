import GraphIR

/// Gradients of Y = (X − mean) · inverse · scale + bias with inverse = 1 / √(variance + epsilon). With g = dY · scale
/// and means over the normalized elements: dX = inverse · (g − mean(g) − x̂ · mean(g · x̂)), x̂ = (X − mean) · inverse.
///
/// dX may be X or dY.
struct NormalizationGradientKernel<T: NormalizationScalar> {
  let x, dY, scale: UnsafePointer<T>
  let dX, dScale, dBias: UnsafeMutablePointer<T>?
  let epsilon: Double

  /// The number of parts whose sums over rows are added up in order.
  static func parts(_ rows: Int) -> Int { min(rows, 16) }

  /// Over `count` rows of `n` elements; scale and bias have n elements.
  /// - Parameter sums: 2 · n · ``parts(_:)`` numbers, where dScale or dBias are wanted.
  func rows(_ count: Int, _ n: Int, sums: UnsafeMutablePointer<Double>, _ pool: ThreadPool) {
    let parts = Self.parts(count)
    let wantsScale = dScale != nil || dBias != nil
    // The sums over rows fix how these are cut.
    let grain = wantsScale ? (count + max(parts, 1) - 1) / max(parts, 1) : max(1, 16384 / max(n, 1))
    if wantsScale { sums.update(repeating: 0, count: 2 * n * parts) }
    guard n > 0 else { return }
    pool.forRanges(count, grain: grain) { range in
      let part = sums + (wantsScale ? range.lowerBound / grain * 2 * n : 0)
      for row in range {
        let (x, dY) = (x + row * n, dY + row * n)
        let (mean, variance) = T.moments(x, n)
        let inverse = 1 / (variance + epsilon).squareRoot()
        if wantsScale {
          T.addGradients(x, dY, n, mean: mean, inverse: inverse, part, part + n)
        }
        guard let dX else { continue }
        let (sum, product) = T.gradientSums(x, dY, scale, n, mean: mean)
        let factors = Factors(inverse, sum: sum, product: product, n)
        T.combine(x, dY, scale, dX + row * n, n, mean: mean, a: inverse, b: factors.b, c: factors.c)
      }
    }
    for (target, offset) in [(dScale, 0), (dBias, n)] {
      guard let target else { continue }
      for i in 0..<n {
        target[i] = T((0..<parts).reduce(0.0) { $0 + sums[$1 * 2 * n + offset + i] })
      }
    }
  }

  /// Over groups of `perGroup` channels of `size` elements; `channels` in each of `batch` elements.
  /// - Parameter sums: 2 · batch · channels numbers.
  func groups(
    batch: Int, channels: Int, size: Int, groups: Int, sums: UnsafeMutablePointer<Double>, _ pool: ThreadPool
  ) {
    let perGroup = channels / groups
    let n = perGroup * size
    sums.update(repeating: 0, count: 2 * batch * channels)
    if n > 0 {
      pool.forRanges(batch * groups, grain: max(1, 16384 / n)) { range in
        for group in range { self.group(group, perGroup, size, channels, sums) }
      }
    }
    for (target, offset) in [(dScale, 1), (dBias, 0)] {
      guard let target else { continue }
      for c in 0..<channels {
        target[c] = T((0..<batch).reduce(0.0) { $0 + sums[2 * ($1 * channels + c) + offset] })
      }
    }
  }

  private func group(
    _ group: Int, _ perGroup: Int, _ size: Int, _ channels: Int, _ sums: UnsafeMutablePointer<Double>
  ) {
    let start = group * perGroup * size
    let (mean, variance) = T.moments(x + start, perGroup * size)
    let inverse = 1 / (variance + epsilon).squareRoot()
    let first = group * perGroup
    var (sum, product) = (0.0, 0.0)
    for c in 0..<perGroup {
      let at = start + c * size
      let own = T.gradientSums(x + at, dY + at, nil, size, mean: mean)
      sums[2 * (first + c)] = own.sum
      sums[2 * (first + c) + 1] = own.product * inverse
      let factor = Double(scale[(first + c) % channels])
      sum += factor * own.sum
      product += factor * own.product
    }
    guard let dX else { return }
    let factors = Factors(inverse, sum: sum, product: product, perGroup * size)
    for c in 0..<perGroup {
      let at = start + c * size
      T.combine(
        x + at, dY + at, nil, dX + at, size, mean: mean, a: inverse * Double(scale[(first + c) % channels]),
        b: factors.b, c: factors.c)
    }
  }

  /// dX = inverse · g + b · (x − mean) + c.
  private struct Factors {
    let b, c: Double

    init(_ inverse: Double, sum: Double, product: Double, _ n: Int) {
      b = -inverse * inverse * inverse * product / Double(n)
      c = -inverse * sum / Double(n)
    }
  }
}
