import GraphIR

#if canImport(Glibc)
  import Glibc
#endif

/// Sines and cosines of a number at geometrically spaced frequencies (arXiv 2006.11239, section 3.3).
struct SinusoidalEmbedding {
  /// The length of an embedding; even.
  let size: Int
  /// Cosines first.
  let flipsSinToCos: Bool
  let frequencyShift: Double

  /// fᵢ = 10000^(−i / (size/2 − shift)) with float32 exponents as torch computes them.
  var frequencies: [Float] {
    let half = size / 2
    let scale = Float(-log(10000.0))
    let divisor = Float(Double(half) - frequencyShift)
    // The exponential is rounded once, from float64.
    return (0..<half).map { Float(exp(Double(scale * Float($0) / divisor))) }
  }

  /// - Parameter x: float32 with a last axis of 1.
  /// - Returns: the same with a last axis of `size`.
  func emit(_ m: ModuleBuilder, _ x: Value) -> Value {
    let values = frequencies
    let angles = m.g.Mul(x, m.g.constant(Tensor(values, shape: [values.count]), "frequencies"))
    let (sine, cosine) = (m.g.Sin(angles), m.g.Cos(angles))
    return flipsSinToCos
      ? m.g.Concat(cosine, sine, attributes: ["axis": .int(-1)])
      : m.g.Concat(sine, cosine, attributes: ["axis": .int(-1)])
  }
}

extension ModuleBuilder {
  /// Two linear layers with SiLU between them.
  func timestepEmbedding(_ name: String, _ x: Value, _ input: Int, _ output: Int) -> Value {
    module(name) {
      let hidden = silu(linear("linear_1", x, input, output))
      return linear("linear_2", hidden, output, output)
    }
  }
}
