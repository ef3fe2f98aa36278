/// MT19937 of Matsumoto and Nishimura (1998), the engine under `torch.Generator` on a CPU.
struct MersenneTwister: Sendable {
  private static let size = 624
  private static let shift = 397
  private var state: [UInt32]
  private var index = MersenneTwister.size

  init(seed: UInt32) {
    state = [UInt32](repeating: seed, count: MersenneTwister.size)
    for i in 1..<MersenneTwister.size {
      let last = state[i - 1]
      state[i] = 1_812_433_253 &* (last ^ (last >> 30)) &+ UInt32(i)
    }
  }

  /// The next 32 random bits.
  mutating func next() -> UInt32 {
    if index == MersenneTwister.size { twist() }
    var y = state[index]
    index += 1
    y ^= y >> 11
    y ^= (y << 7) & 0x9D2C_5680
    y ^= (y << 15) & 0xEFC6_0000
    return y ^ (y >> 18)
  }

  private mutating func twist() {
    let size = MersenneTwister.size
    for i in 0..<size {
      let y = (state[i] & 0x8000_0000) | (state[(i + 1) % size] & 0x7FFF_FFFF)
      state[i] = state[(i + MersenneTwister.shift) % size] ^ (y >> 1) ^ (y & 1 == 0 ? 0 : 0x9908_B0DF)
    }
    index = 0
  }
}
