import GraphIR

/// A pipeline exported to ONNX model by model, as Optimum writes it: `text_encoder`, `unet`, `vae_encoder` and
/// `vae_decoder`, each with a `model.onnx`, beside the configurations of the checkpoint.
struct ONNXFolder {
  let folder: String
  let textEncoders: [ONNXPart]
  let unet: ONNXPart
  let encoder: ONNXPart
  let decoder: ONNXPart
  let description: PipelineDescription
  let schedule: NoiseSchedule

  init(_ folder: String) throws {
    self.folder = folder
    let isXL = FolderListing.exists("\(folder)/text_encoder_2/model.onnx")
    let scopes = (isXL ? ["text_encoder", "text_encoder_2"] : ["text_encoder"])
    textEncoders = try scopes.map { try ONNXPart(folder, $0) }
    unet = try ONNXPart(folder, "unet")
    encoder = try ONNXPart(folder, "vae_encoder").withoutRandomness()
    decoder = try ONNXPart(folder, "vae_decoder")
    let parts = textEncoders + [unet, encoder, decoder]
    for part in parts where part.graph.opset(of: "") != unet.graph.opset(of: "") {
      throw part.error(
        "needs operator set \(part.graph.opset(of: "") ?? 0) of ai.onnx, but \(unet.file) needs "
          + "\(unet.graph.opset(of: "") ?? 0): export them alike")
    }
    if let opset = unet.graph.opset(of: ""), opset < 13 {
      throw unet.error("needs operator set \(opset) of ai.onnx, which is too old (at least 13)")
    }
    let facts = try ONNXFolderFacts(folder, unet: unet)
    schedule = facts.schedule
    description = try facts.description(isXL: isXL, scopes: parts.map(\.scope), unet: unet)
  }

  /// The composed pipeline.
  func graph() throws -> Graph {
    var composer = PipelineComposer(description: description, schedule: schedule)
    composer.opset = unet.graph.opset(of: "") ?? 23
    return try composer.compose(self)
  }
}

extension ONNXFolder: PipelineParts {
  func encodeText(_ g: GraphBuilder, _ ids: [Value]) throws -> (states: Value, pooled: Value?) {
    func encode(_ i: Int, _ outputs: [String]) throws -> [Value] {
      let part = textEncoders[i]
      return try part.embed(g, outputs, ["input_ids": cast(g, ids[i], .int64, part.input("input_ids"))])
    }
    guard textEncoders.count > 1 else {
      return (try encode(0, [try textEncoders[0].output(["last_hidden_state"])])[0], nil)
    }
    let first = try encode(0, [try textEncoders[0].penultimate()])
    let pooled = try textEncoders[1].output(["text_embeds"])
    let second = try encode(1, [try textEncoders[1].penultimate(), pooled])
    let states = g.Concat(
      first[0], second[0], attributes: ["axis": .int(-1)], name: "encoder_hidden_states")
    return (states, second[1])
  }

  func encodeImage(_ g: GraphBuilder, _ pixels: Value) throws -> Value {
    let name = try encoder.output(["latent_parameters", "latent_sample"])
    let output = try encoder.embed(g, [name], ["sample": pixels])[0]
    // Without its noise, a sample is the mean.
    guard name == "latent_parameters" else { return output }
    return g.scope(encoder.scope) {
      // Slices rather than Split, whose count of outputs is an attribute only since operator set 18.
      let channels = description.latentChannels
      let axis = g.ints([1], "axis")
      func half(_ i: Int, _ name: String) -> Value {
        g.emit(
          "Slice", [output, g.ints([i * channels], "start"), g.ints([(i + 1) * channels], "end"), axis],
          name: name)[0]
      }
      let mean = half(0, "latent_mean")
      _ = g.Clip(
        half(1, "log_variance"), g.scalar(-30, "low"), g.scalar(20, "high"), name: "latent_logvar")
      return mean
    }
  }

  func denoise(
    _ g: GraphBuilder, _ latents: Value, _ timestep: Value, _ text: (states: Value, pooled: Value?),
    timeIDs: Value?
  ) throws -> Value {
    var binding = ["sample": latents, "encoder_hidden_states": text.states]
    let declared = unet.input("timestep")
    binding["timestep"] = g.scope(unet.scope) {
      var value = timestep
      if ONNXFolderFacts.takesOneTimestep(unet) {
        let index = declared?.rank == 0 ? g.constant(Tensor(scalar: Int64(0)), "first") : g.ints([0], "first")
        value = g.Gather(timestep, index, attributes: ["axis": .int(0)])
      }
      return cast(g, value, .int64, declared)
    }
    if let pooled = text.pooled, let timeIDs {
      binding["text_embeds"] = pooled
      binding["time_ids"] = cast(g, timeIDs, .float32, unet.input("time_ids"))
    }
    return try unet.embed(g, [try unet.output(["out_sample", "sample_out", "noise_pred"])], binding)[0]
  }

  func decode(_ g: GraphBuilder, _ latents: Value) throws -> Value {
    let output = try decoder.output(["sample", "sample_out", "image"])
    return try decoder.embed(g, [output], ["latent_sample": latents])[0]
  }

  private func cast(_ g: GraphBuilder, _ x: Value, _ from: DType, _ declared: TensorType?) -> Value {
    guard let dtype = declared?.dtype, dtype != from else { return x }
    return g.Cast(x, attributes: ["to": .int(Int(dtype.rawValue))])
  }
}

extension ONNXPart {
  /// The output with the states before the last layer: the last but one of `hidden_states.0`, `.1`, ….
  fileprivate func penultimate() throws -> String {
    let numbers = graph.outputs.compactMap { output -> Int? in
      guard output.name.hasPrefix("hidden_states.") else { return nil }
      return Int(output.name.dropFirst("hidden_states.".count))
    }
    guard let last = numbers.max(), last > 0 else { return try output(["penultimate"]) }
    return try output(["hidden_states.\(last - 1)"])
  }

  /// The part with zeros in the place of random numbers: older exports of the encoder draw a sample.
  fileprivate func withoutRandomness() -> ONNXPart {
    var result = self
    for (position, node) in graph.nodes.enumerated() where node.domain.isEmpty {
      guard node.op == "RandomNormalLike" else { continue }
      let zero = node.outputs[0] + "_zero"
      result.graph.initializers[zero] = Initializer(Tensor(scalar: Float(0)))
      result.graph.nodes[position] = Node(
        "Mul", name: node.name, inputs: [node.inputs[0], zero], outputs: node.outputs)
    }
    return result
  }
}
