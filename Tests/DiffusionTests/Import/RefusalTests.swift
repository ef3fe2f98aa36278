import GraphIR
import Testing

@testable import Diffusion

/// Settings that cannot be followed end with one line that names the file and the key.
@Suite struct RefusalTests {
  private func refusal(_ file: String, _ changes: [String: Any?], kind: String = "sd15") throws -> String {
    let copy = try CheckpointCopy(kind)
    try copy.edit(file, changes)
    let text = message { try CheckpointImporter.importFolder(copy.path) }
    #expect(text.hasPrefix("\(copy.path)/\(file): "), "\(text)")
    return String(text.dropFirst(copy.path.count + file.count + 3))
  }

  @Test func unsupportedModels() throws {
    let unet = "unet/config.json"
    #expect(
      try refusal(unet, ["class_embed_type": "timestep"]) == "class_embed_type: “timestep” is not supported")
    #expect(try refusal(unet, ["encoder_hid_dim": 64]) == "encoder_hid_dim: 64 is not supported")
    #expect(
      try refusal(unet, ["dual_cross_attention": true]) == "dual_cross_attention: true is not supported")
    #expect(try refusal(unet, ["time_cond_proj_dim": 256]) == "time_cond_proj_dim: 256 is not supported")
    #expect(
      try refusal(unet, ["resnet_time_scale_shift": "scale_shift"])
        == "resnet_time_scale_shift: “scale_shift” is not supported")
    #expect(
      try refusal(unet, ["mid_block_type": "UNetMidBlock2DSimpleCrossAttn"]).hasPrefix("mid_block_type: "))
    #expect(
      try refusal(unet, ["down_block_types": ["KDownBlock2D", "DownBlock2D", "DownBlock2D", "DownBlock2D"]])
        .hasPrefix("down_block_types: “KDownBlock2D” is not supported"))
    #expect(
      try refusal("vae/config.json", ["latents_mean": [0.0]]) == "latents_mean: a list is not supported")
    #expect(try refusal("text_encoder/config.json", ["hidden_act": "relu"]).hasPrefix("hidden_act: “relu”"))
    #expect(
      try refusal("model_index.json", ["unet": ["diffusers", "FluxTransformer2DModel"]])
        == "unet: “FluxTransformer2DModel” is not supported (known: UNet2DConditionModel)")
    #expect(try refusal("model_index.json", ["vae": nil]).hasPrefix("vae: "))
  }

  @Test func impossibleNumbers() throws {
    let unet = "unet/config.json"
    #expect(
      try refusal(unet, ["block_out_channels": [16, 16, 32, Int.max]])
        == "block_out_channels: \(Int.max) is outside 1…16777216")
    #expect(try refusal(unet, ["layers_per_block": 0]) == "layers_per_block: 0 is outside 1…64")
    #expect(try refusal(unet, ["attention_head_dim": 5]).hasSuffix("5 heads do not divide 16 channels"))
    #expect(
      try refusal(unet, ["norm_num_groups": 7]).hasPrefix(
        "norm_num_groups: 7 does not divide the 16 channels"))
    #expect(
      try refusal(unet, ["layers_per_block": "two"]) == "layers_per_block: an integer expected, not a string")
  }

  @Test func partsThatDoNotFit() throws {
    let unet = "unet/config.json"
    #expect(try refusal(unet, ["in_channels": 9]) == "in_channels: 9, but the VAE has 4 latent channels")
    #expect(
      try refusal(unet, ["cross_attention_dim": 64])
        == "cross_attention_dim: 64, but the text encoder gives 32")
    #expect(
      try refusal(unet, ["projection_class_embeddings_input_dim": 99], kind: "sdxl").hasPrefix(
        "projection_class_embeddings_input_dim: 99, but the pooled text and 6 embedded numbers have 72"))
  }

  @Test func foldersThatAreNone() throws {
    let folder = try TemporaryFolder()
    #expect(
      message { try CheckpointImporter.importFolder(folder.path + "/x") }
        == "\(folder.path)/x: no such folder")
    #expect(message { try CheckpointImporter.importFolder(folder.path) }.contains("no model_index.json"))
    let file = try folder.write("a.ckpt", "")
    #expect(message { try CheckpointImporter.importFolder(file) }.hasPrefix("\(file): not a folder"))
  }
}
