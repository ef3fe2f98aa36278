import Diffusion
import Rewrites

/// Learns an adapter: prompt tokens, key and value tokens, LoRA. The model runs at every step, forward and back.
struct AdapterMethod: TrainingMethod {
  let adapter: any Adapter

  /// - Throws: `UsageError` for anything but what `AdapterSpec` reads.
  init(_ name: String, _ argument: String?) throws {
    adapter = try AdapterSpec("\(name):\(argument ?? "")").adapter
  }

  /// Prompt and key tokens are as large as embeddings; factors of LoRA are small and multiply each other.
  var defaultLearningRate: Double { adapter is LoRA ? 0.003 : 0.01 }

  var defaultLayers: LayerSelection { .official }

  func prepare(_ context: TrainingContext) throws -> PreparedTraining {
    if context.matching.noise != nil {
      throw UsageError("--noise: the examples of an adapter draw their own")
    }
    let graph = context.loaded.graph
    let description = try PipelineDescription(from: graph)
    var start: [String: Tensor] = [:]
    if let words = context.words {
      guard adapter is PromptTokens else { throw UsageError("--init: only prompt tokens begin from words") }
      start = try PipelineTokenizers(description, of: graph, folder: context.loaded.assets)
        .promptStart(words, in: graph)
    }
    let adapted = try adapter.attached(to: graph, seed: context.seed, start: start)
    let tokenizers = try PipelineTokenizers(description, of: adapted.graph, folder: context.loaded.assets)
    let objective = try MatchingObjective(
      adapted, tokenizers, context.images, context.matching, context.loss, cache: context.cache,
      model: context.digests, pool: ThreadPool(threads: context.threads))
    return PreparedTraining(
      objective: objective, timesteps: try context.matching.timesteps(of: description)
    ) {
      try objective.saveCache()
    } save: { learned, path in
      let values = Dictionary(uniqueKeysWithValues: learned.map { ($0.key, $0.value) })
      try AdapterFile.write(adapted, values: values, weights: context.digests["weights"], to: path)
    }
  }
}
