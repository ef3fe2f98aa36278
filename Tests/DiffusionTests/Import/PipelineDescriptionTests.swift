import GraphIR
import TestSupport
import Testing

@testable import Diffusion

@Suite struct PipelineDescriptionTests {
  private func graph(_ kind: String) throws -> Graph {
    try CheckpointImporter.importFolder(Fixtures.path("checkpoints/\(kind)"))
  }

  @Test func tellsWhatTheCheckpointSays() throws {
    let description = try PipelineDescription(from: graph("sdxl"))
    #expect(description.kind == .sdxl && description.version == 1)
    #expect(
      description.imageSize == 64 && description.latentDownscale == 8 && description.latentChannels == 4)
    #expect(description.scalingFactor == 0.13025 && description.shiftFactor == nil)
    #expect(description.timeIDs == [64, 64, 0, 0, 64, 64])
    #expect(description.axes["input_ids_2"] == .text && description.axes["time_ids"] == .image)
    #expect(description.tokenizers.map(\.folder) == ["tokenizer", "tokenizer_2"])
    #expect(description.tokenizers.map(\.maxLength) == [77, 77])
    #expect(description.scheduler.className == "EulerDiscreteScheduler")
    #expect(description.scheduler.timestepSpacing == .leading && description.scheduler.stepsOffset == 1)
    #expect(description.components["text_encoder_2"]?.className == "CLIPTextModelWithProjection")
    #expect(description.components["vae_decoder"]?.folder == "vae")
  }

  @Test func isTheSameAfterWritingAndReading() throws {
    var graph = try graph("sd15")
    let description = try PipelineDescription(from: graph)
    graph.metadata["dsd.pipeline"] = try description.metadataValue()
    #expect(try PipelineDescription(from: graph) == description)
  }

  @Test func malformedOnesAreRefused() throws {
    var graph = try graph("sd15")
    let text = try #require(graph.metadata["dsd.pipeline"])
    func refusal(_ changed: String?) -> String {
      graph.metadata["dsd.pipeline"] = changed
      return message { try PipelineDescription(from: graph) }
    }
    #expect(refusal(nil).hasPrefix("the graph is not a pipeline"))
    #expect(refusal("{") == "metadata 'dsd.pipeline': malformed JSON")
    #expect(refusal(#"{"version": 7}"#) == "metadata 'dsd.pipeline': version 7 is not known")
    #expect(refusal(#"{"version": 1}"#).hasSuffix("is missing"))
    #expect(
      refusal(text.replacing("\"image_size\":64", with: "\"image_size\":\"big\""))
        == "metadata 'dsd.pipeline': image_size is not Int")
    #expect(
      refusal(text.replacing("\"noise\":\"timestep\"", with: "\"noise\":\"timestep\",\"x\":\"text\""))
        == "metadata 'dsd.pipeline': axes: the graph has no input 'x'")
  }
}
