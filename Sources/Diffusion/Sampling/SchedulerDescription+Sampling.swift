import ONNXWire

extension SchedulerDescription {
  /// Keys of `scheduler_config.json` that only samplers read. They are kept as the file has them: a sampler
  /// of another class has its own defaults for those that the file lacks.
  static let samplingKeys = [
    "clip_sample", "clip_sample_range", "final_sigmas_type", "interpolation_type", "set_alpha_to_one",
    "sigma_max", "sigma_min", "thresholding", "timestep_spacing", "timestep_type", "use_beta_sigmas",
    "use_exponential_sigmas", "use_karras_sigmas",
  ]

  /// The settings that diffusers' class of a sampler gets for this checkpoint, as when a pipeline is built
  /// with `SamplerClass.from_config(scheduler.config)`: `StableDiffusionPipeline` has `steps_offset` 1 and
  /// does not clip whatever the file says, `StableDiffusionXLPipeline` takes the file's word.
  func config(
    for sampler: SamplerKind, _ kind: PipelineDescription.Kind, _ prediction: NoiseSchedule.Prediction
  ) -> ConfigFile {
    // Graphs made before these keys were kept have only the spacing.
    var values = sampling ?? ["timestep_spacing": .string(timestepSpacing.rawValue)]
    values.merge(noisingValues(prediction)) { $1 }
    values["_class_name"] = .string(sampler.className)
    values["steps_offset"] = .int(kind == .sd ? 1 : stepsOffset)
    if kind == .sd { values["clip_sample"] = .bool(false) }
    return ConfigFile(path: PipelineDescription.metadataKey, values: values)
  }
}

extension PipelineDescription {
  /// A sampler with the checkpoint's settings.
  /// - Parameter kind: the one nearest to the checkpoint's scheduler when nil.
  /// - Throws: `DataError` that names the setting that is not supported, or the number of steps.
  public func sampler(_ kind: SamplerKind? = nil, steps: Int) throws -> any Sampler {
    let sampler = kind ?? SamplerKind(nearestTo: scheduler)
    return try sampler.make(scheduler.config(for: sampler, self.kind, predictionType), steps: steps)
  }
}

extension ConfigFile {
  /// The same settings for another class.
  func asClass(_ name: String) -> ConfigFile {
    ConfigFile(path: path, values: values.merging(["_class_name": .string(name)]) { $1 })
  }
}
