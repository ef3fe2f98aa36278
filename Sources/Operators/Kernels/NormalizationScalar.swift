import CKernels
import GraphIR

/// float32 or float64, with the inner loops of the gradients of normalizations. Sums run in float64 in an order that
/// depends on the number of elements alone.
protocol NormalizationScalar: BinaryFloatingPoint, Element {
  /// Mean and variance of `n` elements.
  static func moments(_ x: UnsafePointer<Self>, _ n: Int) -> (mean: Double, variance: Double)

  /// Σ g and Σ g · (x − mean) for g = dY · scale; no scale is 1.
  static func gradientSums(
    _ x: UnsafePointer<Self>, _ dY: UnsafePointer<Self>, _ scale: UnsafePointer<Self>?, _ n: Int, mean: Double
  ) -> (sum: Double, product: Double)

  /// dX = a · dY · scale + b · (x − mean) + c. dX may be x or dY.
  static func combine(
    _ x: UnsafePointer<Self>, _ dY: UnsafePointer<Self>, _ scale: UnsafePointer<Self>?,
    _ dX: UnsafeMutablePointer<Self>, _ n: Int, mean: Double, a: Double, b: Double, c: Double)

  /// Adds dY · (x − mean) · inverse to `scales` and dY to `biases`, element by element.
  static func addGradients(
    _ x: UnsafePointer<Self>, _ dY: UnsafePointer<Self>, _ n: Int, mean: Double, inverse: Double,
    _ scales: UnsafeMutablePointer<Double>, _ biases: UnsafeMutablePointer<Double>)
}

extension Float: NormalizationScalar {
  static func moments(_ x: UnsafePointer<Float>, _ n: Int) -> (mean: Double, variance: Double) {
    var (mean, variance) = (0.0, 0.0)
    ck_moments(x, n, &mean, &variance)
    return (mean, variance)
  }

  static func gradientSums(
    _ x: UnsafePointer<Float>, _ dY: UnsafePointer<Float>, _ scale: UnsafePointer<Float>?, _ n: Int,
    mean: Double
  ) -> (sum: Double, product: Double) {
    var (sum, product) = (0.0, 0.0)
    ck_normalize_gradient_sums(x, dY, scale, n, mean, &sum, &product)
    return (sum, product)
  }

  static func combine(
    _ x: UnsafePointer<Float>, _ dY: UnsafePointer<Float>, _ scale: UnsafePointer<Float>?,
    _ dX: UnsafeMutablePointer<Float>, _ n: Int, mean: Double, a: Double, b: Double, c: Double
  ) {
    ck_normalize_gradient(x, dY, scale, dX, n, mean, a, b, c)
  }

  static func addGradients(
    _ x: UnsafePointer<Float>, _ dY: UnsafePointer<Float>, _ n: Int, mean: Double, inverse: Double,
    _ scales: UnsafeMutablePointer<Double>, _ biases: UnsafeMutablePointer<Double>
  ) {
    ck_normalize_gradient_columns(x, dY, n, mean, inverse, scales, biases)
  }
}

extension Double: NormalizationScalar {
  static func moments(_ x: UnsafePointer<Double>, _ n: Int) -> (mean: Double, variance: Double) {
    var (mean, squares) = (0.0, 0.0)
    for i in 0..<n { mean += x[i] }
    mean /= Double(n)
    for i in 0..<n { squares += (x[i] - mean) * (x[i] - mean) }
    return (mean, squares / Double(n))
  }

  static func gradientSums(
    _ x: UnsafePointer<Double>, _ dY: UnsafePointer<Double>, _ scale: UnsafePointer<Double>?, _ n: Int,
    mean: Double
  ) -> (sum: Double, product: Double) {
    var (sum, product) = (0.0, 0.0)
    for i in 0..<n {
      let g = dY[i] * (scale?[i] ?? 1)
      sum += g
      product += g * (x[i] - mean)
    }
    return (sum, product)
  }

  static func combine(
    _ x: UnsafePointer<Double>, _ dY: UnsafePointer<Double>, _ scale: UnsafePointer<Double>?,
    _ dX: UnsafeMutablePointer<Double>, _ n: Int, mean: Double, a: Double, b: Double, c: Double
  ) {
    for i in 0..<n { dX[i] = a * (dY[i] * (scale?[i] ?? 1)) + (b * (x[i] - mean) + c) }
  }

  static func addGradients(
    _ x: UnsafePointer<Double>, _ dY: UnsafePointer<Double>, _ n: Int, mean: Double, inverse: Double,
    _ scales: UnsafeMutablePointer<Double>, _ biases: UnsafeMutablePointer<Double>
  ) {
    for i in 0..<n {
      scales[i] += dY[i] * ((x[i] - mean) * inverse)
      biases[i] += dY[i]
    }
  }
}
