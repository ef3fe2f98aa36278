import GraphIR

/// The models of a pipeline, whatever they are made from: each writes its nodes into the common graph.
protocol PipelineParts {
  /// - Parameter ids: one value `[batch, positions]` per tokenizer.
  /// - Returns: what the UNet attends to `[batch, positions, width]`, and SDXL's pooled text `[batch, size]`.
  func encodeText(_ g: GraphBuilder, _ ids: [Value]) throws -> (states: Value, pooled: Value?)

  /// The mean of the posterior `[batch, channels, height, width]`.
  func encodeImage(_ g: GraphBuilder, _ pixels: Value) throws -> Value

  /// The UNet's output for latents `[batch, channels, height, width]`.
  func denoise(
    _ g: GraphBuilder, _ latents: Value, _ timestep: Value, _ text: (states: Value, pooled: Value?),
    timeIDs: Value?
  ) throws -> Value

  /// The image of unscaled latents.
  func decode(_ g: GraphBuilder, _ latents: Value) throws -> Value
}

/// Joins a pipeline's models into one graph with the inputs and values that `Specs/pipeline.md` promises.
struct PipelineComposer {
  let description: PipelineDescription
  let schedule: NoiseSchedule
  /// Widths of the text states and of the pooled text, where they are known.
  var textWidth: Dim = .unknown
  var pooledWidth: Dim = .unknown
  var imageChannels = 3
  /// The operator set of the parts; what joins them is in all sets from 13 on.
  var opset = 23

  func compose(_ parts: some PipelineParts) throws -> Graph {
    let g = GraphBuilder(Graph(name: "pipeline", opsets: ["": opset]))
    let image: [Dim] = ["batch", .known(imageChannels), "height", "width"]
    let latentShape: [Dim] = ["batch", .known(description.latentChannels), "latent_height", "latent_width"]
    let latentType = TensorType(.float32, latentShape)

    let pixels = g.input("pixel_values", .float32, image)
    let ids = description.tokenizers.map { tokenizer in
      g.input(tokenizer.input, .int64, ["batch", .known(tokenizer.maxLength)])
    }
    let timestep = g.input("timestep", .int64, ["batch"])
    let noise = g.input("noise", .float32, latentShape)
    let timeIDs = description.kind == .sdxl ? g.input("time_ids", .float32, ["batch", 6]) : nil
    let decoderLatent = g.input("decoder_latent", .float32, latentShape)

    var text = try parts.encodeText(g, ids)
    let positions = Dim.known(description.tokenizers[0].maxLength)
    g.output(
      text.states, as: "encoder_hidden_states", TensorType(.float32, ["batch", positions, textWidth]))
    text.states = Value("encoder_hidden_states")
    if let pooled = text.pooled {
      g.output(pooled, as: "pooled_text", TensorType(.float32, ["batch", pooledWidth]))
      text.pooled = Value("pooled_text")
    }

    let mean = try parts.encodeImage(g, pixels)
    g.output(scaled(g, mean), as: "latent", latentType)
    let rates = rates(g, timestep)
    let noisy = g.Add(
      g.Mul(rates.signal, Value("latent")), g.Mul(rates.noise, noise), name: "noisy_latent")
    g.output(noisy, as: "noisy_latent", latentType)

    let output = try parts.denoise(g, noisy, timestep, text, timeIDs: timeIDs)
    g.output(output, as: "noise_pred", latentType)
    g.output(estimate(g, Value("noise_pred"), noisy, rates), as: "noise_estimate", latentType)

    let decoded = try parts.decode(g, unscaled(g, decoderLatent))
    g.output(
      decoded, as: "image", TensorType(.float32, ["batch", .known(imageChannels), .unknown, .unknown]))

    let metadata = try description.metadataValue()
    g.edit { $0.metadata[PipelineDescription.metadataKey] = metadata }
    return g.graph
  }

  private typealias Rates = (signal: Value, noise: Value)

  /// √ᾱ and √(1 − ᾱ) of each timestep, `[batch, 1, 1, 1]`.
  private func rates(_ g: GraphBuilder, _ timestep: Value) -> Rates {
    g.scope("scheduler") {
      let steps = 0..<schedule.trainTimesteps
      let axes = g.ints([1, 2, 3], "axes")
      func rate(_ name: String, _ values: [Float]) -> Value {
        let table = g.weight(name, Initializer(Tensor(values, shape: [values.count])))
        return g.Unsqueeze(g.Gather(table, timestep, attributes: ["axis": .int(0)]), axes)
      }
      return (
        rate("signal_rate", steps.map(schedule.signalRate)), rate("noise_rate", steps.map(schedule.noiseRate))
      )
    }
  }

  /// The model's estimate of the noise, from what its output stands for.
  private func estimate(_ g: GraphBuilder, _ output: Value, _ noisy: Value, _ rates: Rates) -> Value {
    switch schedule.prediction {
    case .epsilon: output
    // ε̂ = √ᾱ v + √(1 − ᾱ) z_t (arXiv 2202.00512, appendix D)
    case .velocity:
      g.Add(g.Mul(rates.signal, output), g.Mul(rates.noise, noisy), name: "noise_estimate")
    // ε̂ = (z_t − √ᾱ ẑ₀) / √(1 − ᾱ)
    case .sample:
      g.Div(g.Sub(noisy, g.Mul(rates.signal, output)), rates.noise, name: "noise_estimate")
    }
  }

  /// (mean − shift) · scale
  private func scaled(_ g: GraphBuilder, _ mean: Value) -> Value {
    let shifted = description.shiftFactor.map { g.Sub(mean, g.scalar(Float($0), "latent_shift")) } ?? mean
    return g.Mul(shifted, g.scalar(Float(description.scalingFactor), "latent_scale"), name: "latent")
  }

  private func unscaled(_ g: GraphBuilder, _ latent: Value) -> Value {
    g.scope("vae_decoder") {
      let raw = g.Div(latent, g.scalar(Float(description.scalingFactor), "latent_scale"))
      return description.shiftFactor.map { g.Add(raw, g.scalar(Float($0), "latent_shift")) } ?? raw
    }
  }
}
