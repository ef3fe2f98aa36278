import Foundation
import GraphIR
import ONNXWire
import Operators
import TestSupport
import Testing

@testable import Diffusion

@Suite struct CheckpointImporterTests {
  static let kinds = ["sd15", "sd21base", "sd21v", "sdxl"]

  private func graph(_ kind: String) throws -> Graph {
    try CheckpointImporter.importFolder(Fixtures.path("checkpoints/\(kind)"))
  }

  @Test(arguments: kinds) func keepsThePipelinesPromises(_ kind: String) throws {
    let graph = try graph(kind)
    let isXL = kind == "sdxl"
    let inputs: [String] =
      isXL
      ? ["pixel_values", "input_ids", "input_ids_2", "timestep", "noise", "time_ids", "decoder_latent"]
      : ["pixel_values", "input_ids", "timestep", "noise", "decoder_latent"]
    #expect(graph.inputs.map(\.name) == inputs)
    let text: [String] = ["encoder_hidden_states"] + (isXL ? ["pooled_text"] : [])
    let image: [String] = ["latent", "noisy_latent", "noise_pred", "noise_estimate", "image"]
    #expect(graph.outputs.map(\.name) == text + image)
    let values = graph.allNames
    for name in ["vae_encoder/latent_mean", "vae_encoder/latent_logvar"] { #expect(values.contains(name)) }
    #expect(graph.opsets == ["": 23])
    #expect(graph.nodes.allSatisfy { $0.domain.isEmpty })
    #expect(graph.inputs.allSatisfy { $0.type?.shape?.first == "batch" })
  }

  @Test(arguments: kinds) func typesFit(_ kind: String) throws {
    let isXL = kind == "sdxl"
    let graph = try graph(kind).validated(.standard)
    let description = try PipelineDescription(from: graph)
    let size = description.imageSize
    var inputs: [String: TensorType] = [
      "pixel_values": TensorType(.float32, [2, 3, size, size]),
      "input_ids": TensorType(.int64, [2, 77]), "timestep": TensorType(.int64, [2]),
      "noise": TensorType(.float32, [2, 4, size / 8, size / 8]),
      "decoder_latent": TensorType(.float32, [2, 4, size / 8, size / 8]),
    ]
    if isXL {
      inputs["input_ids_2"] = TensorType(.int64, [2, 77])
      inputs["time_ids"] = TensorType(.float32, [2, 6])
    }
    let types = try TypeInference(graph, .standard, inputs: inputs, pool: ThreadPool(threads: 1)).types
    for name in ["latent", "noisy_latent", "noise_pred", "noise_estimate"] {
      #expect(types[name]?.concreteShape == [2, 4, size / 8, size / 8])
    }
    #expect(types["image"]?.concreteShape == [2, 3, size, size])
    #expect(types["encoder_hidden_states"]?.concreteShape?.prefix(2) == [2, 77])
  }

  @Test(arguments: kinds) func attentionIsTaggedAsTheReferenceNamesIt(_ kind: String) throws {
    struct Reference: Decodable { let cross_attention_layers: [String] }
    let file = Fixtures.path("reference/\(kind)/reference.json")
    let reference = try JSONDecoder().decode(
      Reference.self, from: Data(contentsOf: URL(fileURLWithPath: file)))
    let attention = try graph(kind).nodes.filter { $0.op == "Attention" }
    let cross = attention.filter { $0.metadata["dsd.role"] == "cross" }
    #expect(Set(cross.compactMap { $0.metadata["dsd.layer"] }) == Set(reference.cross_attention_layers))
    #expect(
      cross.allSatisfy { node in
        let layer = (node.metadata["dsd.layer"] ?? "").replacing(".attentions", with: "/attentions")
          .replacing(".transformer_blocks", with: "/transformer_blocks").replacing(".attn2", with: "/attn2")
        return node.name == "unet/\(layer)/Attention"
      })
    #expect(attention.allSatisfy { $0.metadata["dsd.role"] != nil && $0.metadata["dsd.layer"] != nil })
  }

  @Test func parametersAreThoseOfTheFiles() throws {
    let folder = Fixtures.path("checkpoints/sd15")
    let graph = try graph("sd15")
    let inlined = Dictionary(
      uniqueKeysWithValues: try graph.inlinedParameters().map { ($0.name, $0.path) })
    let files = [
      "text_encoder": "text_encoder/model", "unet": "unet/diffusion_pytorch_model",
      "vae_encoder": "vae/diffusion_pytorch_model", "vae_decoder": "vae/diffusion_pytorch_model",
    ]
    var count = 0
    for (scope, stem) in files {
      let file = try SafetensorsFile(path: "\(folder)/\(stem).safetensors")
      for (name, initializer) in graph.initializers where name.hasPrefix(scope + "/") {
        let key = String(name.dropFirst(scope.count + 1))
        guard let stored = ParameterNames.candidates(key).first(where: { file.entries[$0] != nil }) else {
          // Constants have no dotted key.
          #expect(initializer.external == nil && inlined[name] == nil)
          continue
        }
        count += 1
        let tensor = try file.tensor(stored)
        #expect(initializer.tensor?.isIdentical(to: tensor) == true)
        if let external = initializer.external {
          #expect(external.path == "\(stem).safetensors" && external.offset == file.entries[stored]?.offset)
          #expect(external.length == tensor.byteCount && tensor.byteCount > 1024)
        } else {
          #expect(tensor.byteCount <= 1024 && inlined[name] == "\(stem).safetensors")
        }
      }
    }
    let stored = try ["text_encoder/model", "unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model"]
      .reduce(0) { try $0 + SafetensorsFile(path: "\(folder)/\($1).safetensors").keys.count }
    // All but the text encoder's buffer of position ids.
    #expect(count == stored - 1)
  }

  @Test func smallFilesAndAnEqualGraphReadAgain() throws {
    let folder = try TemporaryFolder()
    for kind in CheckpointImporterTests.kinds {
      let graph = try graph(kind)
      let path = folder.path + "/\(kind).pb"
      try GraphWriter.write(graph, to: path)
      #expect(try GraphReader.read(path: path, weights: .leave) == graph)
    }
  }

  @Test func configurationAloneGivesUnboundWeights() throws {
    let copy = try CheckpointCopy("sd15")
    try copy.remove("unet/diffusion_pytorch_model.safetensors")
    let graph = try CheckpointImporter.importFolder(copy.path, configOnly: true)
    #expect(graph.metadata["dsd.weights"] == "unbound")
    let bias = graph.initializers["unet/conv_in.bias"]
    #expect(bias?.tensor == nil)
    #expect(
      bias?.external
        == ExternalLocation(path: "unet/diffusion_pytorch_model.safetensors", offset: 0, length: 64))
    // Bound to the fixture, it has the parameters of the fixture's own graph.
    let bound = try graph.bindingWeights(from: Fixtures.path("checkpoints/sd15"))
    let own = try self.graph("sd15")
    for (name, initializer) in own.initializers where initializer.external != nil {
      #expect(bound.initializers[name]?.tensor?.isIdentical(to: initializer.tensor!) == true)
    }
  }

  @Test func anotherCheckpointsWeightsTakeThePlaceOfAll() throws {
    let copy = try CheckpointCopy("sd21base")
    let graph = try graph("sd21base")
    for component in ["unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"] {
      let path = "\(copy.path)/\(component).safetensors"
      let file = try SafetensorsFile(path: path)
      let changed = try file.keys.map { key in
        let tensor = try file.tensor(key).copy()
        if tensor.dtype == .float32 { tensor.pointer(as: Float.self)[0] += 1 }
        return (key, tensor)
      }
      try SafetensorsWriter.write(changed, to: path)
    }
    let bound = try graph.bindingWeights(from: copy.path)
    let own = try CheckpointImporter.importFolder(copy.path)
    #expect(bound.initializers.count == own.initializers.count)
    for (name, initializer) in own.initializers {
      let other = bound.initializers[name]
      #expect(other?.external == initializer.external)
      #expect(other?.tensor?.isIdentical(to: initializer.tensor!) == true, "\(name)")
    }
  }

  @Test func noiseRatesAreTheSchedules() throws {
    let graph = try graph("sd21v")
    let schedule = try NoiseSchedule(path: Fixtures.path("checkpoints/sd21v/scheduler/scheduler_config.json"))
    let rates = graph.initializers["scheduler/signal_rate"]?.tensor?.array(of: Float.self)
    #expect(rates == (0..<1000).map(schedule.signalRate))
    let description = try PipelineDescription(from: graph)
    #expect(description.predictionType == .velocity)
    #expect(try description.scheduler.noiseSchedule(.velocity) == schedule)
  }
}
