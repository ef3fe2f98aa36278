import ONNXWire
import TensorCore
import TestSupport
import Testing

@testable import Diffusion

/// Timesteps, noise levels and steps as diffusers computes them, written by
/// `Tools/reference/make_sampling_cases.py`.
@Suite struct SamplerFixtureTests {
  static let start: [Float] = [-1.5, -0.7, -0.1, 0.02, 0.3, 0.9, 1.4, 2.6]

  /// Timesteps are equal; the rest differs by roundings of float32 (measured: below 2e-7 for noise levels).
  @Test func equalDiffusers() throws {
    let path = Fixtures.path("sampling/samplers.json")
    guard case .array(let rows) = try MappedFile.withBytes(of: path, { try JSON(parsing: $0) }) else {
      throw DataError("\(path): not a list")
    }
    #expect(rows.count == 89)
    for (number, row) in rows.enumerated() {
      guard case .object(let values) = row else { throw DataError("\(path): not an object") }
      let expected = ConfigFile(path: "case \(number)", values: values)
      let kind = try expected.choice("sampler", of: SamplerKind.self)
      try check(kind, expected.object("config"), expected)
    }
  }

  private func check(_ kind: SamplerKind, _ config: ConfigFile, _ expected: ConfigFile) throws {
    let label = "\(expected.path): \(kind) \(config.values)"
    let steps = try expected.int("steps")
    let sampler = try kind.make(config, steps: steps)
    // Those that are read off the noise levels carry the levels' rounding.
    let isCurve = try ["use_karras_sigmas", "use_exponential_sigmas"]
      .contains { try config.bool($0, default: false) }
    func near(_ actual: [Float], _ key: String, _ tolerance: Double, floor: Double = 0) throws {
      let reference: [Double]
      if case .array? = expected[key] {
        reference = try expected.doubles(key)
      } else {
        reference = [try expected.double(key)]
      }
      let peak = reference.map(abs).max() ?? 0
      #expect(actual.count == reference.count, "\(label): \(key)")
      for (a, b) in zip(actual, reference) {
        // Nine digits tell every float32. Each number counts by its own size, but for what has cancelled out.
        let difference = abs(Double(a) - Double(Float(b)))
        #expect(difference <= tolerance * max(abs(b), 1e-2 * peak) + floor, "\(label): \(key) \(a) \(b)")
      }
    }
    try near(sampler.timesteps, "timesteps", isCurve ? 2e-6 : 0)
    try near([sampler.initialScale], "initial_scale", 5e-7)
    if let euler = sampler as? EulerSampler { try near(euler.sigmas, "sigmas", 5e-7) }

    var latents = Tensor(SamplerFixtureTests.start.map { $0 * sampler.initialScale }, shape: [1, 2, 2, 2])
    for step in 0..<steps {
      let output = sampler.modelInput(latents, step: step).mapped { 0.5 * $0 + 0.1 }
      latents = sampler.next(latents, output: output, step: step)
    }
    #expect(latents.shape == [1, 2, 2, 2])
    // What rounding takes from the latents where they are largest, at the start, they never get back.
    try near(latents.array(of: Float.self), "latents", 5e-6, floor: 1e-8 * Double(sampler.initialScale))
  }
}
