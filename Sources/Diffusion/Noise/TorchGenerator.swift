import TensorCore

#if canImport(Glibc)
  import Glibc
#endif

/// The random numbers of `torch.Generator()` on a CPU: a Mersenne Twister with torch's way to normals.
///
/// After `TorchGenerator(seed: s)`, calls give what `torch.manual_seed(s)` and the same calls of
/// `torch.randn` (float32, contiguous) give, to float rounding (below 1e-6).
public struct TorchGenerator: Sendable {
  private var twister: MersenneTwister
  /// The second normal of a pair, kept for the next odd call of the scalar path.
  private var spare: Double?

  /// Torch seeds its engine with the low 32 bits.
  public init(seed: UInt64) { twister = MersenneTwister(seed: UInt32(truncatingIfNeeded: seed)) }

  /// Standard normals, float32 `shape`, row-major.
  public mutating func randn(_ shape: [Int]) -> Tensor {
    let result = Tensor(.float32, shape)
    let values = UnsafeMutableBufferPointer(start: result.pointer(as: Float.self), count: result.count)
    if values.count < 16 {
      for i in values.indices { values[i] = Float(scalarNormal()) }
    } else {
      fillBlocks(values)
    }
    return result
  }

  /// Evenly distributed in [from, to), float32 `shape`: what `torch.empty(shape).uniform_(from, to)` gives.
  public mutating func uniform(_ shape: [Int], from: Float, to: Float) -> Tensor {
    let result = Tensor(.float32, shape)
    let values = UnsafeMutableBufferPointer(start: result.pointer(as: Float.self), count: result.count)
    for i in values.indices { values[i] = uniform() * (to - from) + from }
    return result
  }

  /// Torch's `normal_fill`: uniforms everywhere first, then Box–Muller inside blocks of 16. When the size is
  /// no multiple of 16, the last 16 places are drawn anew.
  private mutating func fillBlocks(_ values: UnsafeMutableBufferPointer<Float>) {
    let count = values.count
    for i in 0..<count { values[i] = uniform() }
    for start in stride(from: 0, through: count - 16, by: 16) {
      TorchGenerator.boxMuller(values.baseAddress! + start)
    }
    guard count % 16 != 0 else { return }
    let tail = values.baseAddress! + (count - 16)
    for i in 0..<16 { tail[i] = uniform() }
    TorchGenerator.boxMuller(tail)
  }

  /// Sixteen uniforms become normals: the first eight give radii, the last eight angles. Float32 throughout.
  private static func boxMuller(_ block: UnsafeMutablePointer<Float>) {
    for j in 0..<8 {
      let radius = (-2 * logf(1 - block[j])).squareRoot()
      let angle = 2 * Float.pi32 * block[j + 8]
      block[j] = radius * cosf(angle)
      block[j + 8] = radius * sinf(angle)
    }
  }

  /// Torch's `normal_distribution<double>`, used for fewer than 16 values.
  private mutating func scalarNormal() -> Double {
    if let value = spare {
      spare = nil
      return value
    }
    let first = uniformDouble()
    let second = uniformDouble()
    let radius = (-2 * log1p(-second)).squareRoot()
    let angle = 2 * Double.pi * first
    spare = radius * sin(angle)
    return radius * cos(angle)
  }

  /// In [0, 1) with 24 random bits.
  private mutating func uniform() -> Float { Float(twister.next() & 0xFF_FFFF) * 0x1p-24 }

  /// In [0, 1) with 53 random bits of two draws, the first one on top.
  private mutating func uniformDouble() -> Double {
    let high = UInt64(twister.next())
    let low = UInt64(twister.next())
    return Double((high << 32 | low) & (1 << 53 - 1)) * 0x1p-53
  }
}

/// `torch.manual_seed(seed); torch.randn(shape)` on a CPU: standard normals, float32 `shape`.
public func randn(seed: UInt64, shape: [Int]) -> Tensor {
  var generator = TorchGenerator(seed: seed)
  return generator.randn(shape)
}

extension Float {
  /// π rounded to nearest, as C has it; `Float.pi` is rounded toward zero.
  fileprivate static let pi32 = Float(Double.pi)
}
