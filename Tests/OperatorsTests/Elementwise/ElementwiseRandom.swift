import GraphIR

/// Repeatable random tensors and shapes (SplitMix64).
struct ElementwiseRandom: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func floats(_ shape: [Int], in range: ClosedRange<Float> = -3...3) -> Tensor {
    Tensor((0..<Shape.count(shape)).map { _ in Float.random(in: range, using: &self) }, shape: shape)
  }

  mutating func int32s(_ shape: [Int], in range: ClosedRange<Int32> = -20...20) -> Tensor {
    Tensor((0..<Shape.count(shape)).map { _ in Int32.random(in: range, using: &self) }, shape: shape)
  }

  mutating func shape(maximumRank: Int) -> [Int] {
    let extents = [1, 2, 3, 5, 7, 16, 17]
    return (0..<Int.random(in: 0...maximumRank, using: &self)).map { _ in
      extents.randomElement(using: &self)!
    }
  }

  /// A shape that broadcasts to `shape`.
  mutating func broadcastable(to shape: [Int]) -> [Int] {
    let rank = Int.random(in: 0...shape.count, using: &self)
    return shape.suffix(rank).map { Int.random(in: 0..<3, using: &self) == 0 ? 1 : $0 }
  }
}
