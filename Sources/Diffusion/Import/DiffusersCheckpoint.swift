import Foundation
import GraphIR
import ONNXWire

/// A checkpoint in diffusers' folder layout, with its configurations read.
struct DiffusersCheckpoint {
  struct TextEncoder {
    let component: String
    let className: String
    let model: CLIPTextModel
    let parameters: ParameterSource
  }

  let folder: String
  let isUnbound: Bool
  let textEncoders: [TextEncoder]
  let unet: UNetConfig
  let vae: AutoencoderKL
  let scheduler: SchedulerDescription
  let schedule: NoiseSchedule
  let forcesZeros: Bool?
  let unetParameters: ParameterSource
  let encoderParameters: ParameterSource
  let decoderParameters: ParameterSource

  init(_ folder: String, configOnly: Bool, variant: String?) throws {
    self.folder = folder
    isUnbound = configOnly
    let index = try ModelIndex(folder)
    _ = try index.className("unet", oneOf: ["UNet2DConditionModel"])
    _ = try index.className("vae", oneOf: ["AutoencoderKL"])
    unet = try UNetConfig(ConfigFile(path: "\(folder)/unet/config.json"))
    vae = try AutoencoderKL(ConfigFile(path: "\(folder)/vae/config.json"))
    let schedulerConfig = try ConfigFile(path: "\(folder)/scheduler/scheduler_config.json")
    schedule = try NoiseSchedule(schedulerConfig)
    scheduler = try SchedulerDescription(schedulerConfig, schedule)

    func open(_ component: String) throws -> WeightFiles? {
      configOnly ? nil : try WeightFiles(folder, component: component, variant: variant)
    }
    let classes = ["CLIPTextModel", "CLIPTextModelWithProjection"]
    let isXL = try index.className("text_encoder_2") != nil
    forcesZeros = isXL ? try index.forcesZerosForEmptyPrompt() : nil
    var opened: [WeightFiles?] = []
    textEncoders = try (isXL ? ["text_encoder", "text_encoder_2"] : ["text_encoder"]).map { component in
      let name = try index.className(component, oneOf: component == "text_encoder" ? classes : [classes[1]])
      let model = try CLIPTextModel(
        ConfigFile(path: "\(folder)/\(component)/config.json"), hasProjection: name == classes[1])
      let files = try open(component)
      opened.append(files)
      return TextEncoder(
        component: component, className: name, model: model,
        parameters: ParameterSource(scope: component, component: component, files: files))
    }
    let (unetFiles, vaeFiles) = (try open("unet"), try open("vae"))
    opened += [unetFiles, vaeFiles]
    if let variant, !configOnly, !opened.contains(where: { $0?.isVariant(variant) ?? false }) {
      throw DataError("\(folder): no component has weights of the variant '\(variant)'")
    }
    unetParameters = ParameterSource(scope: "unet", component: "unet", files: unetFiles)
    encoderParameters = ParameterSource(scope: "vae_encoder", component: "vae", files: vaeFiles)
    decoderParameters = ParameterSource(scope: "vae_decoder", component: "vae", files: vaeFiles)
    try checkFit()
  }

  private var sources: [ParameterSource] {
    textEncoders.map(\.parameters) + [encoderParameters, unetParameters, decoderParameters]
  }

  /// The width of what the UNet attends to.
  private var textWidth: Int { textEncoders.reduce(0) { $0 + $1.model.width } }

  /// The composed pipeline.
  func graph() throws -> Graph {
    // Declared before the parts are written, filled after: only then all element types are known.
    var composer = PipelineComposer(description: description, schedule: schedule)
    composer.textWidth = .known(textWidth)
    composer.imageChannels = vae.inChannels
    if textEncoders.count > 1, let size = textEncoders[1].model.projection {
      composer.pooledWidth = .known(size)
    }
    var graph = try composer.compose(self)
    if let misfit = sources.lazy.flatMap(\.misfits).first { throw DataError("\(folder)/\(misfit)") }
    let problems = sources.flatMap(\.problems)
    guard problems.isEmpty else { throw DiffusersCheckpoint.error(folder, problems) }
    var description = description
    description.weightTypes = Set(sources.flatMap(\.dtypes)).map(\.description).sorted()
    graph.metadata[PipelineDescription.metadataKey] = try description.metadataValue()
    if isUnbound {
      graph.metadata["dsd.weights"] = "unbound"
    } else {
      let inlined = sources.reduce(into: [:]) { $0.merge($1.inlined) { a, _ in a } }
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      graph.metadata[WeightBinder.inlinedKey] = String(decoding: try encoder.encode(inlined), as: UTF8.self)
    }
    return graph
  }

  private var description: PipelineDescription {
    let isXL = textEncoders.count > 1
    let size = unet.sampleSize * vae.downscale
    var axes: [String: PipelineDescription.Axis] = [
      "pixel_values": .image, "decoder_latent": .image, "input_ids": .text, "timestep": .timestep,
      "noise": .timestep,
    ]
    if isXL { axes.merge(["input_ids_2": .text, "time_ids": .image]) { $1 } }
    let tokenizers = textEncoders.enumerated().map { i, encoder in
      PipelineDescription.Tokenizer(
        input: i == 0 ? "input_ids" : "input_ids_2", folder: i == 0 ? "tokenizer" : "tokenizer_2",
        maxLength: encoder.model.positions)
    }
    var components: [String: PipelineDescription.Component] = [
      "unet": .init(className: "UNet2DConditionModel", folder: "unet"),
      "vae_encoder": .init(className: "AutoencoderKL", folder: "vae"),
      "vae_decoder": .init(className: "AutoencoderKL", folder: "vae"),
    ]
    for encoder in textEncoders {
      components[encoder.component] = .init(className: encoder.className, folder: encoder.component)
    }
    return PipelineDescription(
      kind: isXL ? .sdxl : .sd, imageSize: size, latentChannels: vae.latentChannels,
      latentDownscale: vae.downscale, scalingFactor: vae.scalingFactor, shiftFactor: vae.shiftFactor,
      predictionType: schedule.prediction, scheduler: scheduler,
      tokenizers: tokenizers, axes: axes, timeIDs: isXL ? [size, size, 0, 0, size, size] : nil,
      components: components, weightTypes: [], forcesZerosForEmptyPrompt: forcesZeros)
  }

  /// Refuses components that do not fit each other.
  private func checkFit() throws {
    func refuse(_ component: String, _ key: String, _ reason: String) throws -> Never {
      throw DataError("\(folder)/\(component)/config.json: \(key): \(reason)")
    }
    if unet.inChannels != vae.latentChannels {
      try refuse(
        "unet", "in_channels", "\(unet.inChannels), but the VAE has \(vae.latentChannels) latent channels")
    }
    if unet.outChannels != vae.latentChannels {
      try refuse(
        "unet", "out_channels", "\(unet.outChannels), but the VAE has \(vae.latentChannels) latent channels")
    }
    if vae.inChannels != vae.outChannels {
      try refuse("vae", "out_channels", "\(vae.outChannels), but in_channels is \(vae.inChannels)")
    }
    for level in unet.levels where level.crossDimension != textWidth {
      let giver = textEncoders.count > 1 ? "text encoders give" : "text encoder gives"
      try refuse("unet", "cross_attention_dim", "\(level.crossDimension), but the \(giver) \(textWidth)")
    }
    if unet.textTime != nil, textEncoders.count < 2 {
      try refuse("unet", "addition_embed_type", "“text_time” needs a second text encoder")
    }
    if unet.textTime == nil, textEncoders.count > 1 {
      try refuse("unet", "addition_embed_type", "“text_time” is expected beside two text encoders")
    }
    if let second = textEncoders.dropFirst().first, second.model.positions != textEncoders[0].model.positions
    {
      try refuse(
        second.component, "max_position_embeddings",
        "\(second.model.positions), but the first text encoder has \(textEncoders[0].model.positions)")
    }
  }

  /// What is wrong with the parameters: a summary line and, where there is more than one problem, up to 20
  /// indented lines.
  private static func error(_ folder: String, _ problems: [String]) -> DataError {
    if problems.count == 1 { return DataError("\(folder)/\(problems[0])") }
    let limit = 20
    var lines = ["\(folder): \(problems.count) parameters do not fit the configuration"]
    lines += problems.prefix(limit).map { "  " + $0 }
    if problems.count > limit { lines.append("  … and \(problems.count - limit) more") }
    return DataError(lines.joined(separator: "\n"))
  }
}
