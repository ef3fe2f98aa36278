import Discriminative
import Foundation
import TestSupport

/// A small checkpoint with what torch and diffusers computed on it (`Tools/reference`).
struct Reference {
  static let kinds = ["sd15", "sd21base", "sd21v", "sdxl"]

  let kind: String
  let checkpoint: String
  let graph: Graph
  let description: PipelineDescription
  let tensors: SafetensorsFile
  let facts: Facts

  struct Facts: Decodable {
    struct Scores: Decodable {
      let layers: [String]
      let scores, attention, bias: [[Double]]
      let per_timestep: PerTimestep
      let best_text, best_image: [Int]
    }
    struct PerTimestep: Decodable { let attention, bias: [[[Double]]] }
    let texts: [String]
    let timesteps: [Int]
    let cross_attention_layers: [String]
    let official_layers: [String]
    let scores: Scores
    let official_compat: Scores
  }

  init(_ kind: String) throws {
    self.kind = kind
    checkpoint = Fixtures.path("checkpoints/\(kind)")
    graph = try CheckpointImporter.importFolder(checkpoint).bindingExternalData(in: checkpoint)
    description = try PipelineDescription(from: graph)
    tensors = try SafetensorsFile(path: Fixtures.path("reference/\(kind)/reference.safetensors"))
    let data = try Data(contentsOf: URL(fileURLWithPath: Fixtures.path("reference/\(kind)/reference.json")))
    facts = try JSONDecoder().decode(Facts.self, from: data)
  }

  /// Captions without the empty one.
  var texts: [String] { Array(facts.texts.dropFirst()) }

  var imagePaths: [String] { ["a", "b"].map { Fixtures.path("reference/\(kind)/image-\($0).png") } }

  func pixels(_ image: Int) throws -> Tensor {
    let size = description.imageSize
    return try RGBImage(contentsOf: imagePaths[image]).tensor(width: size, height: size)
  }

  var noise: Tensor { get throws { try NPYFile.read(path: Fixtures.path("reference/\(kind)/noise.npy")) } }

  /// Runs part of the graph.
  func run(_ inputs: [String: Tensor], _ outputs: [String]) throws -> [String: Tensor] {
    let preparation = try Preparation(
      graph, .standard, inputs: inputs.mapValues { TensorType($0.dtype, $0.shape) }, outputs: outputs,
      rewrites: [RuleSet.recognition, RuleSet.fusion], pool: ThreadPool(threads: 2))
    return try Plan(preparation).run(inputs)
  }

  func job(threads: Int = 2, _ change: (inout MatchingOptions) -> Void = { _ in }) throws -> MatchingJob {
    var options = MatchingOptions()
    options.timesteps = facts.timesteps
    options.noise = try noise
    change(&options)
    return try MatchingJob(
      graph, tokenizerFolder: checkpoint, imageNames: imagePaths, texts: texts, options: options,
      pool: ThreadPool(threads: threads), pixels: pixels)
  }
}
