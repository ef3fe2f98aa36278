import GraphIR
import ONNXWire

/// The variational autoencoder between images and latents, as diffusers' class of this name computes it.
struct AutoencoderKL {
  let inChannels: Int
  let outChannels: Int
  let latentChannels: Int
  /// Widths from the image's resolution to that of the latents.
  let channels: [Int]
  let layers: Int
  let groups: Int
  let hasQuantConvolution: Bool
  let hasPostQuantConvolution: Bool
  let middleAttends: Bool
  let scalingFactor: Double
  let shiftFactor: Double?

  static let epsilon = 1e-6

  /// - Throws: `DataError` that names the file and the key: missing, of another type or not supported.
  init(_ config: ConfigFile) throws {
    try config.refuse("act_fn", unless: [.string("silu"), .string("swish")])
    try config.refuse("latents_mean")
    try config.refuse("latents_std")
    inChannels = try config.int("in_channels", in: ConfigFile.sizes, default: 3)
    outChannels = try config.int("out_channels", in: ConfigFile.sizes, default: 3)
    latentChannels = try config.int("latent_channels", in: ConfigFile.sizes, default: 4)
    channels = try config.ints("block_out_channels", in: ConfigFile.sizes, default: [64])
    guard (1...8).contains(channels.count) else {
      throw config.error("block_out_channels", "1 to 8 levels expected, not \(channels.count)")
    }
    for (key, type) in [("down_block_types", "DownEncoderBlock2D"), ("up_block_types", "UpDecoderBlock2D")] {
      let types = try config.strings(key, default: [type])
      for other in types where other != type {
        throw config.error(key, "“\(other)” is not supported (known: \(type))")
      }
      guard types.count == channels.count else {
        throw config.error(key, "\(types.count) blocks, but block_out_channels has \(channels.count)")
      }
    }
    layers = try config.int("layers_per_block", in: ConfigFile.depths, default: 1)
    groups = try config.int("norm_num_groups", in: ConfigFile.sizes, default: 32)
    hasQuantConvolution = try config.bool("use_quant_conv", default: true)
    hasPostQuantConvolution = try config.bool("use_post_quant_conv", default: true)
    middleAttends = try config.bool("mid_block_add_attention", default: true)
    scalingFactor = try config.double("scaling_factor", default: 0.18215)
    shiftFactor = config.has("shift_factor") ? try config.double("shift_factor") : nil
  }

  /// How many pixels a latent is high and wide.
  var downscale: Int { 1 << (channels.count - 1) }

  private var resnet: ResnetBlock2D { ResnetBlock2D(groups: groups, epsilon: AutoencoderKL.epsilon) }

  /// Mean and log-variance (clamped to −30…20) of the latents `[batch, channels, height, width]`.
  /// - Parameter image: `[batch, 3, height, width]` in −1…1.
  func encode(_ m: ModuleBuilder, _ image: Value) -> (mean: Value, logVariance: Value) {
    m.component {
      var x = m.module("encoder") {
        var x = m.convolution("conv_in", Feature(value: image, channels: inChannels), channels[0])
        for (i, width) in channels.enumerated() {
          x = m.module("down_blocks.\(i)") {
            for layer in 0..<layers { x = resnet.emit(m, "resnets.\(layer)", x, width) }
            return i < channels.count - 1 ? m.downsample(x, padding: 0) : x
          }
        }
        return finish(m, middle(m, x), 2 * latentChannels)
      }
      if hasQuantConvolution {
        x = m.convolution("quant_conv", x, 2 * latentChannels, kernel: 1, padding: [0])
      }
      let halves = m.g.emit(
        "Split", [x.value], ["axis": .int(1), "num_outputs": .int(2)], outputs: 2, name: "latent_mean")
      let clamped = m.g.Clip(halves[1], m.scalar(-30), m.scalar(20), name: "latent_logvar")
      return (halves[0], clamped)
    }
  }

  /// The image `[batch, 3, height, width]`, about −1…1.
  /// - Parameter latent: `[batch, channels, height, width]` as `encode` gives them, not scaled.
  func decode(_ m: ModuleBuilder, _ latent: Value) -> Value {
    m.component {
      var z = Feature(value: latent, channels: latentChannels)
      if hasPostQuantConvolution {
        z = m.convolution("post_quant_conv", z, latentChannels, kernel: 1, padding: [0])
      }
      return m.module("decoder") {
        var x = middle(m, m.convolution("conv_in", z, channels[channels.count - 1]))
        for (i, width) in channels.reversed().enumerated() {
          x = m.module("up_blocks.\(i)") {
            for layer in 0...layers { x = resnet.emit(m, "resnets.\(layer)", x, width) }
            return i < channels.count - 1 ? m.upsample(x) : x
          }
        }
        return finish(m, x, outChannels).value
      }
    }
  }

  private func finish(_ m: ModuleBuilder, _ x: Feature, _ output: Int) -> Feature {
    let normed = m.groupNorm("conv_norm_out", x, groups: groups, epsilon: AutoencoderKL.epsilon)
    return m.convolution("conv_out", m.silu(normed), output)
  }

  private func middle(_ m: ModuleBuilder, _ x: Feature) -> Feature {
    m.module("mid_block") {
      var x = resnet.emit(m, "resnets.0", x, x.channels)
      if middleAttends { x = attention(m, "attentions.0", x) }
      return resnet.emit(m, "resnets.1", x, x.channels)
    }
  }

  /// Attention of one head among all places. Old files store its linear layers as 1×1 convolutions.
  private func attention(_ m: ModuleBuilder, _ name: String, _ x: Feature) -> Feature {
    m.module(name) {
      let c = x.channels
      let (s, shape) = m.sequence(
        m.groupNorm("group_norm", x, groups: groups, epsilon: AutoencoderKL.epsilon))
      let query = m.linear("to_q", s, c, c, acceptsConvolution: true)
      let key = m.linear("to_k", s, c, c, acceptsConvolution: true)
      let value = m.linear("to_v", s, c, c, acceptsConvolution: true)
      let mixed = m.attention(query, key, value, heads: 1, size: c, role: .selfAttention)
      let out = m.linear("to_out.0", mixed, c, c, acceptsConvolution: true)
      return m.add(m.spatial(out, shape, channels: c), x)
    }
  }
}
