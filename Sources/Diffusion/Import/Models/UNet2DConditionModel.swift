import GraphIR

/// The denoising network of Stable Diffusion, as diffusers' class of this name computes it.
struct UNet2DConditionModel {
  let config: UNetConfig

  struct Inputs {
    /// `[batch, channels, height, width]`
    let sample: Value
    /// int64 `[batch]`
    let timestep: Value
    /// `[batch, positions, width]`
    let text: Value
    /// Pooled text `[batch, size]` and numbers `[batch, 6]`, for models with an added embedding.
    let added: (pooled: Value, pooledSize: Int, numbers: Value)?
  }

  /// The model's output `[batch, channels, height, width]`.
  func emit(_ m: ModuleBuilder, _ inputs: Inputs) -> Value {
    m.component {
      let time = (value: m.silu(embedTime(m, inputs)), size: config.timeSize)
      var x = Feature(value: inputs.sample, channels: config.inChannels)
      if config.centersInput {
        x.value = m.g.Sub(m.g.Mul(x.value, m.scalar(2)), m.scalar(1))
      }
      x = m.convolution(
        "conv_in", x, config.levels[0].channels, kernel: config.inKernel, padding: [(config.inKernel - 1) / 2]
      )
      var skips = [x]
      for i in config.levels.indices { x = down(m, i, x, &skips, time, inputs.text) }
      x = middle(m, x, time, inputs.text)
      for i in config.levels.indices { x = up(m, i, x, &skips, time, inputs.text) }
      x = m.silu(m.groupNorm("conv_norm_out", x, groups: config.groups, epsilon: config.epsilon))
      return m.convolution(
        "conv_out", x, config.outChannels, kernel: config.outKernel, padding: [(config.outKernel - 1) / 2]
      ).value
    }
  }

  private typealias Time = (value: Value, size: Int)

  private func embedTime(_ m: ModuleBuilder, _ inputs: Inputs) -> Value {
    let float: Attribute = .int(Int(DType.float32.rawValue))
    let size = config.levels[0].channels
    let waves = m.g.scope("time_proj") {
      sinusoid(size).emit(m, m.g.Unsqueeze(m.g.Cast(inputs.timestep, attributes: ["to": float]), m.ints([1])))
    }
    let time = m.timestepEmbedding("time_embedding", waves, size, config.timeSize)
    guard let (numberSize, inputSize) = config.textTime, let added = inputs.added else { return time }
    let expected = added.pooledSize + 6 * numberSize
    if expected != inputSize {
      m.fail(
        "projection_class_embeddings_input_dim",
        "\(inputSize), but the pooled text and 6 embedded numbers have \(expected)")
    }
    let numbers = m.g.scope("add_time_proj") {
      let waves = sinusoid(numberSize).emit(m, m.g.Unsqueeze(added.numbers, m.ints([2])))
      return m.g.Reshape(waves, m.ints([0, 6 * numberSize]))
    }
    let joined = m.g.Concat(added.pooled, numbers, attributes: ["axis": .int(-1)])
    return m.g.Add(time, m.timestepEmbedding("add_embedding", joined, inputSize, config.timeSize))
  }

  private func sinusoid(_ size: Int) -> SinusoidalEmbedding {
    SinusoidalEmbedding(
      size: size, flipsSinToCos: config.flipsSinToCos, frequencyShift: config.frequencyShift)
  }

  private func resnet(_ scale: Double = 1) -> ResnetBlock2D {
    ResnetBlock2D(groups: config.groups, epsilon: config.epsilon, outputScale: scale)
  }

  private func transformer(_ level: UNetConfig.Level, blocks: Int, only: Bool) -> Transformer2DModel {
    Transformer2DModel(
      blocks: blocks, heads: level.heads, groups: config.groups, crossDimension: level.crossDimension,
      usesLinearProjection: config.usesLinearProjection, onlyCrossAttention: only)
  }

  /// Every block's output, and that of the downsampling, is kept for the way up.
  private func down(
    _ m: ModuleBuilder, _ i: Int, _ x: Feature, _ skips: inout [Feature], _ time: Time, _ text: Value
  ) -> Feature {
    let level = config.levels[i]
    return m.module("down_blocks.\(i)") {
      var x = x
      for layer in 0..<level.layers {
        x = resnet().emit(m, "resnets.\(layer)", x, level.channels, time: time)
        if level.downAttends {
          x = transformer(level, blocks: level.transformerBlocks, only: level.onlyCrossAttention)
            .emit(m, "attentions.\(layer)", x, text)
        }
        skips.append(x)
      }
      if i < config.levels.count - 1 {
        x = m.downsample(x, padding: config.downsamplePadding)
        skips.append(x)
      }
      return x
    }
  }

  private func middle(_ m: ModuleBuilder, _ x: Feature, _ time: Time, _ text: Value) -> Feature {
    guard config.middle != .none, let level = config.levels.last else { return x }
    return m.module("mid_block") {
      let resnet = resnet(config.middleScale)
      var x = resnet.emit(m, "resnets.0", x, level.channels, time: time)
      guard config.middle == .attention else { return x }
      x = transformer(level, blocks: level.transformerBlocks, only: false).emit(m, "attentions.0", x, text)
      return resnet.emit(m, "resnets.1", x, level.channels, time: time)
    }
  }

  private func up(
    _ m: ModuleBuilder, _ i: Int, _ x: Feature, _ skips: inout [Feature], _ time: Time, _ text: Value
  ) -> Feature {
    let level = config.levels[config.levels.count - 1 - i]
    return m.module("up_blocks.\(i)") {
      var x = x
      for layer in 0...level.layers {
        let skip = skips.removeLast()
        x = Feature(
          value: m.g.Concat(x.value, skip.value, attributes: ["axis": .int(1)]),
          channels: x.channels + skip.channels)
        x = resnet().emit(m, "resnets.\(layer)", x, level.channels, time: time)
        if config.upAttends[i] {
          x = transformer(level, blocks: config.upTransformerBlocks[i], only: level.onlyCrossAttention)
            .emit(m, "attentions.\(layer)", x, text)
        }
      }
      return i < config.levels.count - 1 ? m.upsample(x) : x
    }
  }
}
