import GraphIR

extension DiffusersCheckpoint: PipelineParts {
  func encodeText(_ g: GraphBuilder, _ ids: [Value]) -> (states: Value, pooled: Value?) {
    let first = textEncoders[0]
    guard textEncoders.count > 1 else {
      return (first.model.emit(ModuleBuilder(g, first.parameters), ids[0], [.last])[0], nil)
    }
    let second = textEncoders[1]
    let a = first.model.emit(ModuleBuilder(g, first.parameters), ids[0], [.penultimate])
    let b = second.model.emit(ModuleBuilder(g, second.parameters), ids[1], [.penultimate, .projectedPool])
    return (g.Concat(a[0], b[0], attributes: ["axis": .int(-1)], name: "encoder_hidden_states"), b[1])
  }

  func encodeImage(_ g: GraphBuilder, _ pixels: Value) -> Value {
    vae.encode(ModuleBuilder(g, encoderParameters), pixels).mean
  }

  func denoise(
    _ g: GraphBuilder, _ latents: Value, _ timestep: Value, _ text: (states: Value, pooled: Value?),
    timeIDs: Value?
  ) -> Value {
    var added: (pooled: Value, pooledSize: Int, numbers: Value)?
    if let pooled = text.pooled, let timeIDs, let size = textEncoders.last?.model.projection {
      added = (pooled, size, timeIDs)
    }
    return UNet2DConditionModel(config: unet).emit(
      ModuleBuilder(g, unetParameters),
      .init(sample: latents, timestep: timestep, text: text.states, added: added))
  }

  func decode(_ g: GraphBuilder, _ latents: Value) -> Value {
    vae.decode(ModuleBuilder(g, decoderParameters), latents)
  }
}
