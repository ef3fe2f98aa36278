import ONNXWire
import TensorCore

/// The settings of a checkpoint's scheduler that a pipeline needs, under the names of
/// `scheduler_config.json`, with the class's defaults filled in.
public struct SchedulerDescription: Codable, Sendable, Equatable {
  public var className: String
  public var family: NoiseSchedule.Family
  public var trainTimesteps: Int
  public var timestepSpacing: NoiseSchedule.TimestepSpacing
  public var stepsOffset: Int
  public var betaStart: Double?
  public var betaEnd: Double?
  public var betaSchedule: String?
  public var trainedBetas: [Double]?
  public var rescalesToZeroSNR: Bool?
  /// What the file says that only samplers read, by key; nil in graphs of before it was kept.
  public var sampling: [String: JSON]?

  enum CodingKeys: String, CodingKey {
    case family, sampling
    case className = "_class_name"
    case trainTimesteps = "num_train_timesteps"
    case timestepSpacing = "timestep_spacing"
    case stepsOffset = "steps_offset"
    case betaStart = "beta_start"
    case betaEnd = "beta_end"
    case betaSchedule = "beta_schedule"
    case trainedBetas = "trained_betas"
    case rescalesToZeroSNR = "rescale_betas_zero_snr"
  }

  /// - Parameter schedule: what `config` describes.
  init(_ config: ConfigFile, _ schedule: NoiseSchedule) throws {
    className = schedule.className
    family = schedule.family
    trainTimesteps = schedule.trainTimesteps
    timestepSpacing = schedule.timestepSpacing
    stepsOffset = schedule.stepsOffset
    betaStart = config.has("beta_start") ? try config.double("beta_start") : nil
    betaEnd = config.has("beta_end") ? try config.double("beta_end") : nil
    betaSchedule = config.has("beta_schedule") ? try config.string("beta_schedule") : nil
    trainedBetas = config.has("trained_betas") ? try config.doubles("trained_betas") : nil
    rescalesToZeroSNR =
      config.has("rescale_betas_zero_snr") ? try config.bool("rescale_betas_zero_snr") : nil
    sampling = SchedulerDescription.samplingKeys.reduce(into: [:]) { $0[$1] = config[$1] }
  }

  /// The schedule again, with the prediction type that the pipeline's description keeps.
  /// - Throws: `DataError` when a setting is out of range.
  public func noiseSchedule(_ prediction: NoiseSchedule.Prediction = .epsilon) throws -> NoiseSchedule {
    var values = noisingValues(prediction)
    values["_class_name"] = .string(className)
    values["timestep_spacing"] = .string(timestepSpacing.rawValue)
    values["steps_offset"] = .int(stepsOffset)
    return try NoiseSchedule(ConfigFile(path: PipelineDescription.metadataKey, values: values))
  }

  /// The settings that say how latents are noised, whatever the class.
  func noisingValues(_ prediction: NoiseSchedule.Prediction) -> [String: JSON] {
    var values: [String: JSON] = [
      "num_train_timesteps": .int(trainTimesteps), "prediction_type": .string(prediction.rawValue),
    ]
    values["beta_start"] = betaStart.map { .double($0) }
    values["beta_end"] = betaEnd.map { .double($0) }
    values["beta_schedule"] = betaSchedule.map { .string($0) }
    values["trained_betas"] = trainedBetas.map { .array($0.map { .double($0) }) }
    values["rescale_betas_zero_snr"] = rescalesToZeroSNR.map { .bool($0) }
    return values
  }
}

extension NoiseSchedule.Family: Codable {}
extension NoiseSchedule.TimestepSpacing: Codable {}
