import Diffusion
import GraphIR
import ONNXWire
import Operators
import TensorCore

enum FolderTarget {
  /// The files of a tokenizer's folder and a caption.
  static let tokenizerNames = [
    "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json", "tokenizer.json",
  ]

  /// Loads a tokenizer and encodes the caption that follows the files.
  static func tokenizer(_ bytes: UnsafeRawBufferPointer) throws {
    let bundle = FileBundle(bytes, names: tokenizerNames)
    try ScratchFolder.with(bundle.files) { folder in
      let tokenizer = try CLIPTokenizer(folder: folder)
      let caption = String(decoding: bundle.rest, as: UTF8.self)
      let ids = try tokenizer.ids(for: caption)
      guard ids.count == tokenizer.maximumLength else { throw BrokenPromise("length of the ids") }
      let tokens = tokenizer.tokens(for: caption)
      guard tokens.map(\.id) == tokenizer.encode(caption) else { throw BrokenPromise("tokens and ids") }
      guard tokens.allSatisfy({ 0..<tokenizer.vocabularySize ~= $0.id }) else {
        throw BrokenPromise("an id outside the vocabulary")
      }
    }
  }

  /// The configurations of a checkpoint.
  static let configNames = [
    "scheduler/scheduler_config.json", "model_index.json", "unet/config.json", "vae/config.json",
    "text_encoder/config.json", "text_encoder_2/config.json",
  ]

  /// Reads the schedule and makes samplers; then, where the other files are there, composes the pipeline's
  /// graph without weights and validates it.
  static func config(_ bytes: UnsafeRawBufferPointer) throws {
    let bundle = FileBundle(bytes, names: configNames)
    try ScratchFolder.with(bundle.files) { folder in
      let file = try ConfigFile(path: folder + "/scheduler/scheduler_config.json")
      let schedule = try NoiseSchedule(file)
      for kind in SamplerKind.allCases {
        for steps in [1, 7] {
          guard let sampler = try? kind.make(file, steps: steps) else { continue }
          guard !sampler.timesteps.isEmpty else { throw BrokenPromise("a sampler without steps") }
        }
      }
      let latents = Tensor([Float(1), -1], shape: [2])
      _ = try schedule.noised(latents, with: latents, at: schedule.trainTimesteps - 1)
      guard bundle.files.count > 1 else { return }
      let graph = try CheckpointImporter.importFolder(folder, configOnly: true)
      _ = try PipelineDescription(from: graph)
      _ = try graph.validated(.standard)
    }
  }
}
