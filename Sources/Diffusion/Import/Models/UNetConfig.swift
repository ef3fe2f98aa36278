import ONNXWire
import TensorCore

/// The settings of a `UNet2DConditionModel`, as far as they shape its graph.
struct UNetConfig {
  /// One resolution.
  struct Level {
    let channels: Int
    let downAttends: Bool
    let layers: Int
    let transformerBlocks: Int
    let heads: Int
    let crossDimension: Int
    let onlyCrossAttention: Bool
  }

  enum MiddleBlock {
    case none, resnet, attention
  }

  let inChannels: Int
  let outChannels: Int
  /// From the finest resolution to the coarsest.
  let levels: [Level]
  /// Whether each block of the way up attends, from the coarsest to the finest.
  let upAttends: [Bool]
  /// Transformer blocks on the way up, in the same order.
  let upTransformerBlocks: [Int]
  let middle: MiddleBlock
  let middleScale: Double
  let groups: Int
  let epsilon: Double
  let usesLinearProjection: Bool
  let downsamplePadding: Int
  let inKernel: Int
  let outKernel: Int
  let centersInput: Bool
  let timeSize: Int
  let flipsSinToCos: Bool
  let frequencyShift: Double
  /// SDXL's added embedding of the pooled text and six numbers.
  let textTime: (numberSize: Int, inputSize: Int)?
  /// Height and width of the latents that the model was trained on.
  let sampleSize: Int

  /// Ten times as many as SDXL has on its way up.
  private static let transformerLimit = 512

  /// - Throws: `DataError` that names the file and the key: missing, of another type or not supported.
  init(_ config: ConfigFile) throws {
    try UNetConfig.refuseUnsupported(config)
    let channels = try config.ints(
      "block_out_channels", in: ConfigFile.sizes, default: [320, 640, 1280, 1280])
    guard (1...8).contains(channels.count) else {
      throw config.error("block_out_channels", "1 to 8 levels expected, not \(channels.count)")
    }
    let count = channels.count
    let down = try UNetConfig.blocks(
      config, "down_block_types", attending: "CrossAttnDownBlock2D", plain: "DownBlock2D", count)
    upAttends = try UNetConfig.blocks(
      config, "up_block_types", attending: "CrossAttnUpBlock2D", plain: "UpBlock2D", count)
    let layers = try config.ints("layers_per_block", count: count, in: ConfigFile.depths, default: 2)
    let blocks = try config.ints(
      "transformer_layers_per_block", count: count, in: ConfigFile.depths, default: 1)
    let upBlocks =
      config.has("reverse_transformer_layers_per_block")
      ? try config.ints("reverse_transformer_layers_per_block", count: count, in: ConfigFile.depths)
      : blocks.reversed()
    upTransformerBlocks = upBlocks
    let transformers = layers.indices.reduce(0) {
      $0 + layers[$1] * blocks[$1] + (layers[$1] + 1) * upBlocks[count - 1 - $1]
    }
    guard transformers <= UNetConfig.transformerLimit else {
      throw config.error(
        "transformer_layers_per_block", "\(transformers) transformer blocks in all are too many")
    }
    // Historically, `attention_head_dim` holds the number of heads.
    let headKey = config.has("num_attention_heads") ? "num_attention_heads" : "attention_head_dim"
    let heads = try config.ints(headKey, count: count, in: ConfigFile.heads, default: 8)
    if config.isNull("cross_attention_dim") {
      throw config.error("cross_attention_dim", "null is not supported")
    }
    let cross = try config.ints("cross_attention_dim", count: count, in: ConfigFile.sizes, default: 1280)
    let only = try config.bools("only_cross_attention", count: count, default: false)
    levels = channels.indices.map { i in
      Level(
        channels: channels[i], downAttends: down[i], layers: layers[i], transformerBlocks: blocks[i],
        heads: heads[i], crossDimension: cross[i], onlyCrossAttention: only[i])
    }
    middle = try UNetConfig.middle(config)
    middleScale = try config.double("mid_block_scale_factor", default: 1)
    for (i, level) in levels.enumerated() where level.channels % level.heads != 0 {
      let attends = level.downAttends || upAttends[count - 1 - i] || (i == count - 1 && middle == .attention)
      if attends {
        throw config.error(headKey, "\(level.heads) heads do not divide \(level.channels) channels")
      }
    }

    inChannels = try config.int("in_channels", in: ConfigFile.sizes, default: 4)
    outChannels = try config.int("out_channels", in: ConfigFile.sizes, default: 4)
    groups = try config.int("norm_num_groups", in: ConfigFile.sizes, default: 32)
    epsilon = try config.double("norm_eps", default: 1e-5)
    usesLinearProjection = try config.bool("use_linear_projection", default: false)
    downsamplePadding = try config.int("downsample_padding", in: 0...1, default: 1)
    inKernel = try config.int("conv_in_kernel", in: 1...63, default: 3)
    outKernel = try config.int("conv_out_kernel", in: 1...63, default: 3)
    centersInput = try config.bool("center_input_sample", default: false)
    timeSize = try config.int("time_embedding_dim", in: ConfigFile.sizes, default: 4 * channels[0])
    flipsSinToCos = try config.bool("flip_sin_to_cos", default: true)
    frequencyShift = try config.double("freq_shift", default: 0)
    guard channels[0] % 2 == 0 else {
      throw config.error("block_out_channels", "an odd first width (\(channels[0])) is not supported")
    }
    textTime = try UNetConfig.textTime(config)
    sampleSize = try UNetConfig.sampleSize(config)
  }

  private static func blocks(
    _ config: ConfigFile, _ key: String, attending: String, plain: String, _ count: Int
  ) throws -> [Bool] {
    let published =
      key == "down_block_types"
      ? [attending, attending, attending, plain] : [plain, attending, attending, attending]
    let types = try config.strings(key, default: published)
    guard types.count == count else {
      throw config.error(key, "\(types.count) blocks, but block_out_channels has \(count)")
    }
    for type in types where type != attending && type != plain {
      throw config.error(key, "“\(type)” is not supported (known: \(attending), \(plain))")
    }
    return types.map { $0 == attending }
  }

  private static func middle(_ config: ConfigFile) throws -> MiddleBlock {
    if config.isNull("mid_block_type") { return .none }
    switch try config.string("mid_block_type", default: "UNetMidBlock2DCrossAttn") {
    case "UNetMidBlock2DCrossAttn": return .attention
    case "UNetMidBlock2D": return .resnet
    case let other:
      throw config.error(
        "mid_block_type", "“\(other)” is not supported (known: UNetMidBlock2DCrossAttn, UNetMidBlock2D)")
    }
  }

  private static func textTime(_ config: ConfigFile) throws -> (numberSize: Int, inputSize: Int)? {
    guard config.has("addition_embed_type") else { return nil }
    let size = try config.int("addition_time_embed_dim", in: ConfigFile.sizes)
    guard size % 2 == 0 else {
      throw config.error("addition_time_embed_dim", "an odd size (\(size)) is not supported")
    }
    return (size, try config.int("projection_class_embeddings_input_dim", in: ConfigFile.sizes))
  }

  private static func sampleSize(_ config: ConfigFile) throws -> Int {
    guard case .array? = config["sample_size"] else {
      return try config.int("sample_size", in: 1...65_536, default: 64)
    }
    let sides = try config.ints("sample_size", in: 1...65_536)
    guard sides.count == 2, sides[0] == sides[1] else {
      throw config.error("sample_size", "only square samples are supported")
    }
    return sides[0]
  }

  /// Settings that would change what is computed in ways that the graph does not follow.
  private static func refuseUnsupported(_ config: ConfigFile) throws {
    let activations: [JSON] = [.string("silu"), .string("swish")]
    try config.refuse("act_fn", unless: activations)
    try config.refuse("addition_embed_type", unless: [.string("text_time")])
    try config.refuse("attention_type", unless: [.string("default")])
    try config.refuse("class_embed_type")
    try config.refuse("class_embeddings_concat", unless: [.bool(false)])
    try config.refuse("dual_cross_attention", unless: [.bool(false)])
    try config.refuse("encoder_hid_dim")
    try config.refuse("encoder_hid_dim_type")
    try config.refuse("num_class_embeds")
    try config.refuse("resnet_time_scale_shift", unless: [.string("default")])
    try config.refuse("time_cond_proj_dim")
    try config.refuse("time_embedding_act_fn")
    try config.refuse("time_embedding_type", unless: [.string("positional")])
    try config.refuse("timestep_post_act")
    if config.isNull("norm_num_groups") { throw config.error("norm_num_groups", "null is not supported") }
  }
}
