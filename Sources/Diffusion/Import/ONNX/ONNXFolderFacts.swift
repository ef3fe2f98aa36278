import GraphIR

/// What the configurations beside exported models say about their pipeline.
struct ONNXFolderFacts {
  let folder: String
  let schedule: NoiseSchedule
  private let scheduler: SchedulerDescription
  private let latentChannels: Int
  private let sampleSize: Int
  private let downscale: Int
  private let scalingFactor: Double
  private let shiftFactor: Double?
  private let positions: Int
  private let forcesZeros: Bool?

  /// - Throws: `DataError` that names the file and the key.
  init(_ folder: String, unet: ONNXPart) throws {
    self.folder = folder
    let config = try ConfigFile(path: "\(folder)/scheduler/scheduler_config.json")
    schedule = try NoiseSchedule(config)
    scheduler = try SchedulerDescription(config, schedule)

    let shape = unet.input("sample")?.shape
    let unetConfig = try ONNXFolderFacts.config(folder, ["unet"])
    let declaredChannels = shape?.count == 4 ? shape?[1].value : nil
    latentChannels =
      try declaredChannels ?? unetConfig?.int("in_channels", in: ConfigFile.sizes, default: 4) ?? 4
    if let size = shape?.count == 4 ? shape?[2].value : nil {
      sampleSize = size
    } else if let unetConfig {
      sampleSize = try unetConfig.int("sample_size", in: 1...65_536, default: 64)
    } else {
      throw DataError("\(folder)/unet/config.json is missing; its sample_size is needed")
    }

    let vae = try ONNXFolderFacts.config(folder, ["vae_decoder", "vae_encoder", "vae"])
    let levels = try vae?.ints("block_out_channels", default: [0, 0, 0, 0]).count ?? 4
    guard (1...8).contains(levels) else {
      throw DataError("\(folder): the VAE has \(levels) levels, at most 8 are supported")
    }
    downscale = 1 << (levels - 1)
    scalingFactor = try vae?.double("scaling_factor", default: 0.18215) ?? 0.18215
    shiftFactor = try vae.flatMap { $0.has("shift_factor") ? try $0.double("shift_factor") : nil }
    let text = try ONNXFolderFacts.config(folder, ["text_encoder"])
    positions = try text?.int("max_position_embeddings", in: ConfigFile.sizes, default: 77) ?? 77
    let hasIndex = FolderListing.exists("\(folder)/model_index.json")
    forcesZeros = hasIndex ? try ModelIndex(folder).forcesZerosForEmptyPrompt() : nil
  }

  /// The first `config.json` that one of the folders has.
  private static func config(_ folder: String, _ components: [String]) throws -> ConfigFile? {
    for component in components where FolderListing.exists("\(folder)/\(component)/config.json") {
      return try ConfigFile(path: "\(folder)/\(component)/config.json")
    }
    return nil
  }

  /// Whether an exported UNet takes one timestep for the whole batch.
  static func takesOneTimestep(_ unet: ONNXPart) -> Bool {
    guard let shape = unet.input("timestep")?.shape else { return false }
    return shape.isEmpty || shape == [.known(1)]
  }

  func description(isXL: Bool, scopes: [String], unet: ONNXPart) throws -> PipelineDescription {
    var axes: [String: PipelineDescription.Axis] = [
      "pixel_values": .image, "decoder_latent": .image, "input_ids": .text, "timestep": .timestep,
      "noise": .timestep,
    ]
    if isXL { axes.merge(["input_ids_2": .text, "time_ids": .image]) { $1 } }
    var tokenizers = [
      PipelineDescription.Tokenizer(input: "input_ids", folder: "tokenizer", maxLength: positions)
    ]
    if isXL {
      tokenizers.append(.init(input: "input_ids_2", folder: "tokenizer_2", maxLength: positions))
    }
    let size = sampleSize * downscale
    return PipelineDescription(
      kind: isXL ? .sdxl : .sd, imageSize: size, latentChannels: latentChannels, latentDownscale: downscale,
      scalingFactor: scalingFactor, shiftFactor: shiftFactor, predictionType: schedule.prediction,
      scheduler: scheduler, tokenizers: tokenizers, axes: axes,
      timeIDs: isXL ? [size, size, 0, 0, size, size] : nil,
      components: Dictionary(
        uniqueKeysWithValues: scopes.map { ($0, .init(className: "ONNX", folder: $0)) }),
      weightTypes: ["float32"],
      sharesTimestep: ONNXFolderFacts.takesOneTimestep(unet) ? true : nil,
      forcesZerosForEmptyPrompt: isXL ? forcesZeros : nil)
  }
}
