import Diffusion
import ONNXWire
import TensorCore
import TestSupport
import Testing

/// Values of `torch.randn`, written by `Tools/reference/make_leaf_cases.py`.
@Suite struct NoiseFixtureTests {
  @Test func equalsTorch() throws {
    let file = try SafetensorsFile(path: Fixtures.path("noise/randn.safetensors"))
    #expect(file.keys.count > 90)
    var generators: [UInt64: TorchGenerator] = [:]
    for key in file.keys.sorted() {
      let parts = key.split(separator: ".")
      let seed = UInt64(parts[0].dropFirst())!
      let expected = try file.tensor(key)
      var actual: Tensor
      if parts[1] == "then" {
        // Several draws after one seeding; the keys come in their order.
        var generator = generators[seed] ?? TorchGenerator(seed: seed)
        actual = generator.randn(expected.shape)
        generators[seed] = generator
      } else {
        actual = randn(seed: seed, shape: [Int(parts[1].dropFirst())!])
        if parts.count > 2 {
          let step = Int(parts[2].dropFirst("every".count))!
          let all = actual.array(of: Float.self)
          let some = stride(from: 0, to: all.count, by: step).map { all[$0] }
          actual = Tensor(some, shape: [some.count])
        }
      }
      #expect(actual.shape == expected.shape, "\(key)")
      #expect(Comparison.largestDifference(actual, expected) <= 1e-6, "\(key)")
    }
  }
}
