import GraphIR

/// Gradients by central differences, in float64.
public enum FiniteDifferences {
  /// The gradient of `loss` with respect to a float64 tensor, which is changed in place and restored.
  public static func gradient(
    at x: Tensor, step: Double = 1e-5, of loss: () throws -> Double
  ) rethrows -> Tensor {
    let values = x.pointer(as: Double.self)
    let result = Tensor(.float64, x.shape)
    for i in 0..<x.count {
      let kept = values[i]
      values[i] = kept + step
      let above = try loss()
      values[i] = kept - step
      let below = try loss()
      values[i] = kept
      result.pointer(as: Double.self)[i] = (above - below) / (2 * step)
    }
    return result
  }

  /// Σ a · b.
  public static func dot(_ a: Tensor, _ b: Tensor) -> Double {
    zip(a.converted(to: .float64).array(of: Double.self), b.converted(to: .float64).array(of: Double.self))
      .reduce(0) { $0 + $1.0 * $1.1 }
  }
}
