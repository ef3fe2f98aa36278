import TensorCore
import Testing

@testable import Diffusion

/// Expected values are those of torch 2.15 on a CPU.
struct TorchGeneratorTests {
  struct Case: Sendable {
    let seed: UInt64
    let values: [Float]
  }

  static let cases = [
    Case(
      seed: 0,
      values: [
        1.54099607
      ]),
    Case(
      seed: 0,
      values: [
        1.54099607, -0.2934289, -2.17878938, 0.56843126, -1.08452237,
      ]),
    Case(
      seed: 7,
      values: [
        -0.14679509, 0.78614128, 0.94682163, -1.114344, 1.69079018, -0.8948279, -0.35562503, 1.23238575,
        0.13817266, -1.68219852, 0.3176783, 0.13280697, 0.13732409, 0.24054612, 1.39545083,
      ]),
    Case(
      seed: 7,
      values: [
        -0.82013452, 0.39563116, 0.8989085, -1.38840389, -0.16699602, 0.28514996, -0.64109153,
        -0.89365542, 0.926543, -0.53551221, -1.1597203, -0.46015716, 0.70853907, 1.01275539, 0.23039687,
        1.09016514,
      ]),
    Case(
      seed: 7,
      values: [
        -0.82013452, -0.32456663, 1.92636812, -0.33001173, 0.19844505, 0.78207266, 1.03910768,
        -0.72451073, -0.8489086, -0.21534152, -1.81572866, -0.34524196, -2.0614779, 0.6741007,
        -1.32334578, -1.35976899, -0.8667016,
      ]),
    Case(
      seed: 123,
      values: [
        0.33737019, -0.17777722, -0.30352759, -0.58801186, 1.58096957, 1.30103993, 1.27530122,
        -0.2009531, -0.16056378, -0.40148801, 0.69572413, -1.80605268, -1.15886784, 0.32547101,
        -0.63150537, -2.83999395, -0.78485334, -1.40957248, -0.40762687, 0.79532611,
      ]),
    Case(
      seed: 1_099_511_627_781,
      values: [
        1.84232986, 0.51888716, -0.33644935, -0.96506017, -0.12966268, -0.60176563, 0.14499857,
        -0.14982717, 2.61457705, -0.43402296, -0.05833946, -2.03049517, 1.48293233, 0.49403808,
        0.24921878, 1.74703145, 0.74477696, 0.03165689,
      ]),
  ]

  @Test(arguments: cases)
  func small(_ item: Case) {
    let values = randn(seed: item.seed, shape: [item.values.count]).array(of: Float.self)
    for (value, expected) in zip(values, item.values) { #expect(abs(value - expected) < 1e-6) }
  }

  @Test func latents() {
    let noise = randn(seed: 42, shape: [2, 4, 64, 64])
    #expect(noise.dtype == .float32 && noise.shape == [2, 4, 64, 64])
    let values = noise.array(of: Float.self)
    let expected: [(Int, Float)] = [
      (0, 1.9269153), (1, 1.487284), (1000, -1.0284309), (20_000, 1.4459215), (32_767, -0.2654118),
    ]
    for (place, value) in expected { #expect(abs(values[place] - value) < 1e-6) }
    #expect(abs(values.reduce(0) { $0 + Double($1) } - 99.08883573998901) < 1e-3)
    #expect(abs(values.reduce(0) { $0 + Double($1) * Double($1) } - 33046.388273991186) < 1e-2)
  }

  @Test func callsShareOneStream() {
    // The scalar path keeps its second sample: 1 + 1 draws are a draw of 2.
    var one = TorchGenerator(seed: 9)
    let parts = one.randn([1]).array(of: Float.self) + one.randn([1]).array(of: Float.self)
    #expect(parts == randn(seed: 9, shape: [2]).array(of: Float.self))
    // Whole blocks follow each other.
    var two = TorchGenerator(seed: 9)
    let blocks = two.randn([2, 16]).array(of: Float.self)
    #expect(Array(blocks.prefix(16)) == randn(seed: 9, shape: [16]).array(of: Float.self))
    #expect(two.randn([16]).array(of: Float.self) != Array(blocks.prefix(16)))
  }

  @Test func onlyTheLow32BitsOfASeedCount() {
    let low = randn(seed: 5, shape: [20])
    #expect(randn(seed: 1 << 40 + 5, shape: [20]).isIdentical(to: low))
    #expect(!randn(seed: 6, shape: [20]).isIdentical(to: low))
  }

  @Test func emptyShape() {
    #expect(randn(seed: 0, shape: [0, 4]).count == 0)
    #expect(randn(seed: 0, shape: []).count == 1)
  }

  @Test func engine() {
    // The reference implementation's first and 10,000th output for its default seed.
    var twister = MersenneTwister(seed: 5489)
    #expect(twister.next() == 3_499_211_612)
    for _ in 1..<9999 { _ = twister.next() }
    #expect(twister.next() == 4_123_659_995)
  }
}
