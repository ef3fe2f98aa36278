import GraphIR

/// How far a tensor is from a reference of the same shape.
public enum Comparison {
  /// The largest difference divided by the reference's largest magnitude; infinite when shapes differ or a
  /// value is not a number on one side only.
  public static func relativeToPeak(_ actual: Tensor, _ reference: Tensor) -> Double {
    guard actual.shape == reference.shape else { return .infinity }
    let peak = doubles(reference).reduce(0) { $1.isNaN ? $0 : max($0, abs($1)) }
    let difference = largestDifference(actual, reference)
    return difference == 0 ? 0 : difference / peak
  }

  public static func largestDifference(_ actual: Tensor, _ reference: Tensor) -> Double {
    guard actual.count == reference.count else { return .infinity }
    return zip(doubles(actual), doubles(reference)).reduce(0) { worst, pair in
      if pair.0.isNaN || pair.1.isNaN { return pair.0.isNaN && pair.1.isNaN ? worst : .infinity }
      return max(worst, pair.0 == pair.1 ? 0 : abs(pair.0 - pair.1))
    }
  }

  private static func doubles(_ tensor: Tensor) -> [Double] {
    tensor.converted(to: .float64).array(of: Double.self)
  }
}

/// Random numbers that are the same in every run.
public struct Seeded: RandomNumberGenerator {
  private var state: UInt64
  public init(_ seed: UInt64) { state = seed &+ 0x9E37_79B9_7F4A_7C15 }

  /// SplitMix64.
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Uniform in −1…1.
  public mutating func tensor(_ shape: [Int]) -> Tensor {
    Tensor((0..<Shape.count(shape)).map { _ in Float.random(in: -1...1, using: &self) }, shape: shape)
  }
}
