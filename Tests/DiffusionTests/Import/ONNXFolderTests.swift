import Foundation
import GraphIR
import ONNXWire
import Operators
import TestSupport
import Testing

@testable import Diffusion

/// Exports of a pipeline's models, as small as they can be: the names are those that Optimum gives.
@Suite struct ONNXFolderTests {
  private struct Options {
    var opset = 17
    var timestep: [Dim] = ["steps"]
    var encoderOutput = "latent_parameters"
  }

  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func write(_ options: Options) throws {
    try folder.write("model_index.json", "{}")
    try add(
      "scheduler", "scheduler_config.json",
      #"{"_class_name": "DDIMScheduler", "prediction_type": "v_prediction"}"#)
    try add("unet", "config.json", #"{"sample_size": 8}"#)
    try add("vae_decoder", "config.json", #"{"block_out_channels": [4, 8], "scaling_factor": 0.5}"#)
    let image: [Dim] = ["batch", "channels", "height", "width"]

    try model("text_encoder", options) { g in
      let ids = g.input("input_ids", .int32, ["batch", 77])
      let table = g.weight("table", Initializer(Tensor([Float](repeating: 1, count: 400), shape: [100, 4])))
      g.output(g.Gather(table, ids), as: "last_hidden_state", nil)
      g.output(g.Cast(ids, attributes: ["to": .int(1)]), as: "pooler_output", nil)
    }
    try model("unet", options) { g in
      let x = g.input("sample", .float32, image)
      let time = g.Cast(g.input("timestep", .int64, options.timestep), attributes: ["to": .int(1)])
      let text = g.ReduceMean(g.input("encoder_hidden_states", .float32, ["batch", 77, 4]))
      let level = options.timestep.isEmpty ? time : g.Reshape(time, g.ints([-1, 1, 1, 1]))
      g.output(g.Add(g.Mul(x, level), text), as: "out_sample", nil)
    }
    try model("vae_encoder", options) { g in
      let x = g.input("sample", .float32, image)
      let kernel = g.weight(
        "kernel", Initializer(Tensor([Float](repeating: 1, count: 24), shape: [8, 3, 1, 1])))
      let y = g.Conv(x, kernel, attributes: ["strides": .ints([2, 2])])
      let result =
        options.encoderOutput == "latent_parameters"
        ? y
        : g.Add(
          g.Slice(y, g.ints([0]), g.ints([4]), g.ints([1])),
          g.RandomNormalLike(g.Slice(y, g.ints([0]), g.ints([4]), g.ints([1]))))
      g.output(result, as: options.encoderOutput, nil)
    }
    try model("vae_decoder", options) { g in
      let z = g.input("latent_sample", .float32, image)
      g.output(g.Slice(z, g.ints([0]), g.ints([3]), g.ints([1])), as: "sample", nil)
    }
  }

  private func add(_ component: String, _ name: String, _ text: String) throws {
    try FileManager.default.createDirectory(
      atPath: "\(folder.path)/\(component)", withIntermediateDirectories: true)
    try folder.write("\(component)/\(name)", text)
  }

  private func model(_ component: String, _ options: Options, _ body: (GraphBuilder) -> Void) throws {
    try FileManager.default.createDirectory(
      atPath: "\(folder.path)/\(component)", withIntermediateDirectories: true)
    let g = GraphBuilder(Graph(name: "main", opsets: ["": options.opset]))
    body(g)
    try GraphWriter.write(g.graph, to: "\(folder.path)/\(component)/model.onnx")
  }

  private func imported(_ options: Options = Options()) throws -> Graph {
    try write(options)
    return try CheckpointImporter.importFolder(folder.path)
  }

  @Test func partsBecomeOnePipeline() throws {
    let graph = try imported().validated(.standard)
    #expect(graph.opsets == ["": 17])
    #expect(graph.inputs.map(\.name) == ["pixel_values", "input_ids", "timestep", "noise", "decoder_latent"])
    #expect(
      graph.outputs.map(\.name)
        == ["encoder_hidden_states", "latent", "noisy_latent", "noise_pred", "noise_estimate", "image"])
    #expect(graph.allNames.isSuperset(of: ["vae_encoder/latent_mean", "vae_encoder/latent_logvar"]))
    // What nothing needs is left out, ids are cast to what the export takes.
    #expect(!graph.allNames.contains("text_encoder/pooler_output"))
    #expect(graph.nodes.contains { $0.op == "Cast" && $0.inputs == ["input_ids"] })
    let description = try PipelineDescription(from: graph)
    #expect(description.imageSize == 16 && description.latentDownscale == 2)
    #expect(description.scalingFactor == 0.5 && description.predictionType == .velocity)
    #expect(description.sharesTimestep == nil)
  }

  @Test func weightsInsideAFileAreUsedFromThere() throws {
    let graph = try imported()
    let table = try #require(graph.initializers["text_encoder/table"])
    let place = try #require(table.external)
    #expect(place.path == "text_encoder/model.onnx" && place.length == 1600)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: "\(folder.path)/text_encoder/model.onnx"))
    let stored = bytes[place.offset..<place.offset + place.length]
    #expect(stored.elementsEqual(UnsafeRawBufferPointer(start: table.tensor!.pointer, count: 1600)))
    // Small ones are in the graph.
    #expect(graph.initializers["vae_encoder/kernel"]?.external == nil)
    try GraphWriter.write(graph, to: folder.path + "/graph.pb")
    #expect(try GraphReader.read(path: folder.path + "/graph.pb", weights: .bind) == graph)
  }

  @Test func oneTimestepServesABatch() throws {
    for shape: [Dim] in [[], [1]] {
      let graph = try imported(Options(timestep: shape)).validated(.standard)
      #expect(try PipelineDescription(from: graph).sharesTimestep == true)
      let gather = graph.nodes.first {
        $0.op == "Gather" && $0.inputs.first == "timestep" && $0.name.hasPrefix("unet/")
      }
      #expect(gather != nil)
    }
  }

  @Test func aSampleWithoutItsNoiseIsTheMean() throws {
    let graph = try imported(Options(encoderOutput: "latent_sample")).validated(.standard)
    #expect(!graph.nodes.contains { $0.op.hasPrefix("Random") })
  }

  @Test func missingAndForeignPartsAreRefused() throws {
    try write(Options())
    try model("vae_decoder", Options(opset: 18)) { g in
      g.output(g.Identity(g.input("latent_sample", .float32, [1])), as: "sample", nil)
    }
    #expect(
      message { try CheckpointImporter.importFolder(folder.path) }.hasPrefix(
        "vae_decoder/model.onnx needs operator set 18 of ai.onnx, but unet/model.onnx needs 17"))
    try model("vae_decoder", Options()) { g in
      g.output(g.Identity(g.input("z", .float32, [1])), as: "sample", nil)
    }
    #expect(
      message { try CheckpointImporter.importFolder(folder.path) }
        == "vae_decoder/model.onnx has no input 'latent_sample'")
    try model("vae_decoder", Options()) { g in
      g.output(g.Identity(g.input("latent_sample", .float32, [1])), as: "y", nil)
    }
    #expect(
      message { try CheckpointImporter.importFolder(folder.path) }
        == "vae_decoder/model.onnx has none of the outputs sample, sample_out, image, only y")
  }
}
