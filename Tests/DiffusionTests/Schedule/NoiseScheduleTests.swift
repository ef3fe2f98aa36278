import TensorCore
import Testing

@testable import Diffusion

/// Expected values are those of diffusers 0.42.
struct NoiseScheduleTests {
  struct Case: Sendable {
    let name: String
    let json: String
    /// ᾱ at timesteps 0, 1, 100, 500, 998 and 999.
    let alphas: [Float]
  }

  static let stable = #""beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear""#

  static let cases = [
    Case(
      name: "EulerDiscreteScheduler", json: stable,
      alphas: [0.99914998, 0.99829602, 0.89422315, 0.27633247, 0.0047166958, 0.0046600951]),
    Case(
      name: "DDPMScheduler", json: #""beta_schedule": "linear""#,
      alphas: [0.99989998, 0.99978006, 0.89514136, 0.077796653, 4.1181942e-05, 4.0358304e-05]),
    Case(
      name: "DDPMScheduler", json: #""beta_schedule": "squaredcos_cap_v2""#,
      alphas: [0.99995869, 0.99991256, 0.97157562, 0.49228504, 2.4287663e-06, 2.428735e-09]),
    Case(
      name: "EulerDiscreteScheduler", json: stable + #", "rescale_betas_zero_snr": true"#,
      alphas: [0.99914998, 0.9982335, 0.88676107, 0.24101864, 1.9679634e-07, 0x1p-24]),
    Case(
      name: "DDIMScheduler", json: stable + #", "rescale_betas_zero_snr": true"#,
      alphas: [0.99914998, 0.9982335, 0.88676107, 0.24101864, 1.9679634e-07, 0]),
    // Keys that a file lacks come from the class.
    Case(
      name: "LCMScheduler", json: #""steps_offset": 0"#,
      alphas: [0.99914998, 0.99829602, 0.89422315, 0.27633247, 0.0047166958, 0.0046600951]),
    Case(
      name: "HeunDiscreteScheduler", json: #""trained_betas": null"#,
      alphas: [0.99914998, 0.99828953, 0.8673442, 0.16077162, 0.0015981406, 0.0015789628]),
  ]

  private static func schedule(_ name: String, _ json: String) throws -> NoiseSchedule {
    let folder = try TemporaryFolder()
    let text = #"{"_class_name": ""# + name + #"", "# + json + "}"
    return try NoiseSchedule(path: folder.write("scheduler_config.json", text))
  }

  @Test(arguments: cases)
  func alphas(_ item: Case) throws {
    let schedule = try NoiseScheduleTests.schedule(item.name, item.json)
    #expect(schedule.trainTimesteps == 1000 && schedule.className == item.name)
    for (timestep, expected) in zip([0, 1, 100, 500, 998, 999], item.alphas) {
      let alpha = schedule.alphasCumprod[timestep]
      #expect(abs(alpha - expected) <= 1e-6 * max(expected, 0.01), "\(timestep): \(alpha)")
      #expect(schedule.signalRate(timestep) == alpha.squareRoot())
      #expect(schedule.noiseRate(timestep) == (1 - alpha).squareRoot())
    }
  }

  @Test func sigmas() throws {
    let schedule = try NoiseScheduleTests.schedule("EulerDiscreteScheduler", NoiseScheduleTests.stable)
    let expected: [(Int, Float)] = [(0, 0.029167535), (500, 1.6182797), (999, 14.614647)]
    for (timestep, sigma) in expected {
      #expect(abs(schedule.sigma(timestep) - sigma) < 1e-6 * max(sigma, 1))
    }
  }

  @Test func noising() throws {
    let latents = Tensor([0.5, -1, 2] as [Float], shape: [1, 3])
    let noise = Tensor([1, -0.25, 0.125] as [Float], shape: [1, 3])
    for (name, expected) in [
      ("EulerDiscreteScheduler", [1.1135231, -0.738345, 1.1576825]),
      ("DDPMScheduler", [1.1135232, -0.738345, 1.1576825]),
    ] as [(String, [Float])] {
      let schedule = try NoiseScheduleTests.schedule(name, NoiseScheduleTests.stable)
      let noised = try schedule.noised(latents, with: noise, at: 500)
      #expect(noised.shape == [1, 3])
      for (value, expected) in zip(noised.array(of: Float.self), expected) {
        #expect(abs(value - expected) < 5e-7)
      }
      #expect(
        message { try schedule.noised(latents, with: noise, at: 1000) }
          == "timestep 1000 is outside 0…999")
      #expect(message { try schedule.check(timestep: -1) } == "timestep -1 is outside 0…999")
    }
  }

  @Test func settings() throws {
    let schedule = try NoiseScheduleTests.schedule(
      "PNDMScheduler",
      #""prediction_type": "v_prediction", "steps_offset": 1, "trained_betas": [0.5, 0.25]"#)
    #expect(schedule.family == .ddpm && schedule.prediction == .velocity)
    #expect(schedule.alphasCumprod == [0.5, 0.375])
    #expect(schedule.stepsOffset == 1 && schedule.timestepSpacing == .leading)
    // PNDM has no rescaling, so the key has no effect.
    let same = try NoiseScheduleTests.schedule(
      "PNDMScheduler", #""trained_betas": [0.5, 0.25], "rescale_betas_zero_snr": true"#)
    #expect(same.alphasCumprod == schedule.alphasCumprod)
  }

  @Test(arguments: [
    (#""_class_name": "FlowMatchEulerDiscreteScheduler""#, "_class_name: cannot noise latents like"),
    (#""_class_name": 3"#, "_class_name: a string expected, not an integer"),
    (#""x": 3"#, "_class_name: missing"),
    (#""_class_name": "DDPMScheduler", "beta_schedule": "sigmoid""#, "beta_schedule: “sigmoid” is unknown"),
    (#""_class_name": "DDPMScheduler", "prediction_type": "flow""#, "prediction_type: “flow” is unknown"),
    (#""_class_name": "DDPMScheduler", "num_train_timesteps": 0"#, "num_train_timesteps: 0 is outside"),
    (#""_class_name": "DDPMScheduler", "num_train_timesteps": 1e12"#, "num_train_timesteps: 10000000"),
    (#""_class_name": "DDPMScheduler", "beta_end": -2"#, "beta_end: -2.0 is outside 0…1"),
    (#""_class_name": "DDPMScheduler", "beta_start": "x""#, "beta_start: a number expected, not a string"),
    (#""_class_name": "DDPMScheduler", "trained_betas": []"#, "trained_betas: an empty list"),
    (#""_class_name": "DDPMScheduler", "trained_betas": [2]"#, "beta_schedule: its betas leave the range"),
    (#""_class_name": "EulerDiscreteScheduler", "beta_end": 1"#, "beta_schedule: its betas leave the range"),
  ])
  func malformed(_ json: String, _ reason: String) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("scheduler_config.json", "{\(json)}")
    #expect(message { try NoiseSchedule(path: path) }.hasPrefix("\(path): \(reason)"))
  }
}
