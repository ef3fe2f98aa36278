import Discriminative
import TestSupport
import Testing

/// Every stage of the score against torch and diffusers in float32.
@Suite struct ReferenceTests {
  @Test(arguments: Reference.kinds) func tokens(_ kind: String) throws {
    let reference = try Reference(kind)
    for (position, spec) in reference.description.tokenizers.enumerated() {
      let tokenizer = try CLIPTokenizer(folder: "\(reference.checkpoint)/\(spec.folder)")
      let name = position == 0 ? "token_ids" : "token_ids_\(position + 1)"
      let expected = try reference.tensors.tensor(name).array(of: Int32.self).map { Int64($0) }
      let ids = try reference.facts.texts.flatMap { try tokenizer.ids(for: $0, length: spec.maxLength) }
      #expect(ids == expected)
    }
  }

  @Test(arguments: Reference.kinds) func pixels(_ kind: String) throws {
    let reference = try Reference(kind)
    let expected = try reference.tensors.tensor("pixels")
    for image in 0..<2 {
      let difference = Comparison.largestDifference(
        try reference.pixels(image), expected.rows(image..<image + 1))
      #expect(difference <= 2.0 / 255 * 1.001)
    }
  }

  @Test(arguments: Reference.kinds) func textAndLatents(_ kind: String) throws {
    let reference = try Reference(kind)
    var inputs: [String: Tensor] = [:]
    for (position, spec) in reference.description.tokenizers.enumerated() {
      inputs[spec.input] = try reference.tensors
        .tensor(position == 0 ? "token_ids" : "token_ids_\(position + 1)").converted(to: .int64)
    }
    let text = try reference.run(inputs, ["encoder_hidden_states"])["encoder_hidden_states"]!
    #expect(
      Comparison.relativeToPeak(text, try reference.tensors.tensor("text_embeddings")) <= 2e-5)
    if kind == "sdxl" {
      let pooled = try reference.run(inputs, ["pooled_text"])["pooled_text"]!
      #expect(
        Comparison.relativeToPeak(pooled, try reference.tensors.tensor("pooled_embeddings")) <= 2e-5)
    }
    let latent = try reference.run(
      ["pixel_values": try reference.tensors.tensor("pixels")], ["latent"])["latent"]!
    #expect(Comparison.relativeToPeak(latent, try reference.tensors.tensor("latents")) <= 2e-5)
  }

  /// All layers and both terms at every image, caption and timestep of the grid.
  @Test(arguments: Reference.kinds) func layersAndOutputs(_ kind: String) throws {
    let reference = try Reference(kind)
    let job = try reference.job { $0.layers = .all }
    _ = try job.run()
    let expected = try reference.tensors.tensor("log_sum_exp")
    let names = reference.facts.cross_attention_layers
    #expect(Set(job.score.layers.map(\.name)) == Set(names))
    let own = Tensor(.float32, expected.shape)
    var position = 0
    for image in 0..<2 {
      // In the reference the empty caption comes first, in a job last.
      for text in [reference.texts.count] + Array(reference.texts.indices) {
        for step in reference.facts.timesteps.indices {
          let scores = try job.layerScores(image: image, text: text, timestep: step)
          for name in names {
            let layer = job.score.layers.firstIndex { $0.name == name }!
            own.pointer(as: Float.self)[position] = Float(scores[layer])
            position += 1
          }
        }
      }
    }
    #expect(Comparison.relativeToPeak(own, expected) <= 2e-5)
  }

  @Test(arguments: Reference.kinds) func unetOutput(_ kind: String) throws {
    let reference = try Reference(kind)
    let noisy = try reference.tensors.tensor("noisy_latents")
    let expected = try reference.tensors.tensor("unet_output")
    let estimate = try reference.tensors.tensor("noise_estimate")
    let states = try reference.tensors.tensor("text_embeddings")
    let steps = reference.facts.timesteps
    for image in 0..<2 {
      for text in reference.facts.texts.indices {
        // One batch of all timesteps.
        let latents = noisy.rows(image..<image + 1).reshaped(Array(noisy.shape.dropFirst()))
        var inputs: [String: Tensor] = [
          "noisy_latent": latents,
          "timestep": Tensor(steps.map { Int64($0) }, shape: [steps.count]),
          "encoder_hidden_states": repeated(states.rows(text..<text + 1), steps.count),
        ]
        if kind == "sdxl" {
          let size = Float(reference.description.imageSize)
          inputs["time_ids"] = repeated(Tensor([size, size, 0, 0, size, size], shape: [1, 6]), steps.count)
          inputs["pooled_text"] = repeated(
            try reference.tensors.tensor("pooled_embeddings").rows(text..<text + 1), steps.count)
        }
        let outputs = try reference.run(inputs, ["noise_pred", "noise_estimate"])
        func slice(_ tensor: Tensor) -> Tensor {
          let perImage = tensor.rows(image..<image + 1).reshaped(Array(tensor.shape.dropFirst()))
          return perImage.rows(text..<text + 1).reshaped(Array(perImage.shape.dropFirst()))
        }
        #expect(Comparison.relativeToPeak(outputs["noise_pred"]!, slice(expected)) <= 2e-5)
        #expect(Comparison.relativeToPeak(outputs["noise_estimate"]!, slice(estimate)) <= 2e-5)
      }
    }
  }

  private func repeated(_ tensor: Tensor, _ count: Int) -> Tensor {
    let result = Tensor(tensor.dtype, [count] + tensor.shape.dropFirst())
    for row in 0..<count { result.rows(row..<row + 1).assign(tensor) }
    return result
  }

  @Test(arguments: Reference.kinds, [false, true]) func scores(_ kind: String, _ compat: Bool) throws {
    let reference = try Reference(kind)
    let result = try reference.job { $0.officialCompat = compat }.run()
    let expected = compat ? reference.facts.official_compat : reference.facts.scores
    #expect(Set(result.layers) == Set(reference.facts.official_layers))
    #expect(difference(result.scores, expected.scores) <= 2e-4)
    #expect(difference(result.attention!, expected.attention) <= 2e-4)
    #expect(difference(result.bias!, expected.bias) <= 2e-4)
    for image in 0..<2 {
      #expect(
        difference(result.perTimestep.attention![image], expected.per_timestep.attention[image]) <= 2e-4)
      #expect(difference(result.perTimestep.bias![image], expected.per_timestep.bias[image]) <= 2e-4)
    }
    #expect(result.bestText == expected.best_text)
    #expect(result.bestImage == expected.best_image)
  }

  private func difference(_ a: [[Double]], _ b: [[Double]]) -> Double {
    guard a.map(\.count) == b.map(\.count) else { return .infinity }
    return zip(a.joined(), b.joined()).reduce(0) { max($0, abs($1.0 - $1.1)) }
  }
}
