import GraphIR
import ONNXWire
import TestSupport
import Testing

@testable import Diffusion

@Suite struct SamplerTests {
  private func config(_ text: String) throws -> ConfigFile {
    guard case .object(let values) = try JSON(parsing: text) else { throw DataError("not an object") }
    return ConfigFile(path: "s.json", values: values)
  }

  @Test(arguments: [
    (SamplerKind.euler, #"{"use_beta_sigmas": true}"#, "s.json: use_beta_sigmas: is not supported"),
    (
      .euler, #"{"use_karras_sigmas": true, "use_exponential_sigmas": true}"#,
      "s.json: use_exponential_sigmas: does not go with use_karras_sigmas"
    ),
    (
      .euler, #"{"use_karras_sigmas": 1}"#,
      "s.json: use_karras_sigmas: true or false expected, not an integer"
    ),
    (.euler, #"{"sigma_min": 0}"#, "s.json: sigma_min: 0.0 is not positive"),
    (
      .euler, #"{"interpolation_type": "log_linear"}"#,
      "s.json: interpolation_type: “log_linear” is not supported, only “linear”"
    ),
    (
      .euler, #"{"timestep_type": "continuous", "prediction_type": "v_prediction"}"#,
      "s.json: timestep_type: “continuous” is not supported, only “discrete”"
    ),
    (
      .euler, #"{"final_sigmas_type": "one"}"#,
      "s.json: final_sigmas_type: “one” is unknown (known: “zero”, “sigma_min”)"
    ),
    (
      .euler, #"{"timestep_spacing": "random"}"#,
      "s.json: timestep_spacing: “random” is unknown (known: “linspace”, “leading”, “trailing”)"
    ),
    (
      .euler, #"{"trained_betas": [0, 0.1], "num_train_timesteps": 2, "timestep_spacing": "leading"}"#,
      "s.json: beta_schedule: its noise levels are not positive numbers"
    ),
    (.ddim, #"{"thresholding": true}"#, "s.json: thresholding: is not supported"),
    (.ddim, #"{"clip_sample_range": -1}"#, "s.json: clip_sample_range: -1.0 is not positive"),
    (.ddim, #"{"prediction_type": "flow"}"#, "s.json: prediction_type: “flow” is unknown"),
    (
      .ddim, #"{"steps_offset": 9223372036854775807, "timestep_spacing": "leading"}"#,
      "--steps: 2 steps visit timestep 9223372036854775807, the schedule has 0 to 999"
    ),
    (
      .euler, #"{"steps_offset": 900, "timestep_spacing": "leading"}"#,
      "--steps: 2 steps visit timestep 1400, the schedule has 0 to 999"
    ),
    (.ddim, #"{"steps_offset": -1}"#, "--steps: 2 steps visit timestep -1, the schedule has 0 to 999"),
  ])
  func refusals(_ kind: SamplerKind, _ text: String, _ expected: String) throws {
    let config = try config(text)
    #expect(message { try kind.make(config, steps: 2) }.hasPrefix(expected))
  }

  @Test(arguments: SamplerKind.allCases) func numbersOfSteps(_ kind: SamplerKind) throws {
    let config = try config("{}")
    for steps in [-1, 0, 1001, .max] {
      #expect(
        message { try kind.make(config, steps: steps) }
          == "--steps: \(steps) is not between 1 and 1000, the schedule's length")
    }
    for steps in [1, 61, 999, 1000] {
      for spacing in ["linspace", "leading", "trailing"] {
        let config = try self.config("{\"timestep_spacing\": \"\(spacing)\"}")
        let timesteps = try kind.make(config, steps: steps).timesteps
        #expect(timesteps.count == steps)
        #expect(zip(timesteps, timesteps.dropFirst()).allSatisfy { $0 > $1 })
        #expect(timesteps.allSatisfy { (0...999).contains($0) })
      }
    }
  }

  @Test func nearestToTheCheckpoint() throws {
    for (name, expected) in [
      ("EulerDiscreteScheduler", SamplerKind.euler), ("DDIMScheduler", .ddim), ("PNDMScheduler", .ddim),
      ("DDPMScheduler", .ddim), ("DPMSolverMultistepScheduler", .ddim), ("LMSDiscreteScheduler", .euler),
      ("EulerAncestralDiscreteScheduler", .euler),
    ] {
      let config = try config("{\"_class_name\": \"\(name)\"}")
      let description = try SchedulerDescription(config, NoiseSchedule(config))
      #expect(SamplerKind(nearestTo: description) == expected)
    }
  }

  /// A class's own defaults count for keys that the file lacks, not those of the checkpoint's class.
  @Test func settingsOfAnotherClass() throws {
    func timesteps(_ text: String, _ sampler: SamplerKind) throws -> [Float] {
      let file = try config(text)
      let description = try SchedulerDescription(file, NoiseSchedule(file))
      let settings = description.config(for: sampler, .sd, .epsilon)
      return try sampler.make(settings, steps: 2).timesteps
    }
    #expect(try timesteps(#"{"_class_name": "PNDMScheduler"}"#, .euler) == [999, 0])
    #expect(try timesteps(#"{"_class_name": "PNDMScheduler"}"#, .ddim) == [501, 1])
    let leading = #"{"_class_name": "PNDMScheduler", "timestep_spacing": "leading"}"#
    #expect(try timesteps(leading, .euler) == [501, 1])
    #expect(try timesteps(#"{"_class_name": "EulerDiscreteScheduler"}"#, .ddim) == [501, 1])
  }

  /// `StableDiffusionPipeline` corrects two settings of old files, `StableDiffusionXLPipeline` does not.
  @Test func settingsOfAPipeline() throws {
    let file = try config(#"{"_class_name": "DDIMScheduler", "steps_offset": 7, "clip_sample": true}"#)
    let description = try SchedulerDescription(file, NoiseSchedule(file))
    let one = description.config(for: .ddim, .sd, .velocity)
    #expect(one["steps_offset"] == .int(1) && one["clip_sample"] == .bool(false))
    #expect(one["prediction_type"] == .string("v_prediction"))
    let two = description.config(for: .ddim, .sdxl, .epsilon)
    #expect(two["steps_offset"] == .int(7) && two["clip_sample"] == .bool(true))
  }

  /// The settings survive in the graph's metadata, and graphs without them still have their spacing.
  @Test func settingsInTheGraph() throws {
    let graph = try CheckpointImporter.importFolder(Fixtures.path("checkpoints/sdxl"))
    var description = try PipelineDescription(from: graph)
    #expect(description.scheduler.sampling?["timestep_spacing"] == .string("leading"))
    #expect(description.scheduler.sampling?["clip_sample"] == .bool(false))
    #expect(description.scheduler.sampling?["skip_prk_steps"] == nil)
    #expect(description.forcesZerosForEmptyPrompt == true)
    let timesteps = try description.sampler(steps: 4).timesteps
    #expect(timesteps == [751, 501, 251, 1])
    description.scheduler.sampling = nil
    #expect(try description.sampler(steps: 4).timesteps == timesteps)
    description.scheduler.sampling = ["use_beta_sigmas": .bool(true)]
    #expect(
      message { try description.sampler(.euler, steps: 4) }
        == "dsd.pipeline: use_beta_sigmas: is not supported")
  }
}
