import Diffusion
import GraphIR
import Interpreter
import Operators
import Rewrites

/// A pipeline graph planned for matching: cut to what the score needs, one image, caption and timestep at a
/// time, and parted into stages by axes.
public struct MatchingPlan {
  /// The hook that reads the attention term, where the options want it.
  public let score: AttentionScore
  public let plan: SweepPlan

  /// - Parameter score: reads the attention term; made of the options when nil.
  /// - Throws: `DataError` when the graph lacks what the score needs.
  public init(
    _ graph: Graph, _ description: PipelineDescription, _ options: MatchingOptions,
    score: AttentionScore? = nil, hooks: [any Hook] = [], pool: ThreadPool
  ) throws {
    var graph = graph
    var axes: [String: Axis] = [:]
    for (input, axis) in description.axes { axes[input] = Axis(rawValue: axis.rawValue) }
    if options.latent == .sample {
      graph = try SampleLatent().apply(graph)
      axes[SampleLatent.input] = .image
    }
    let score =
      score
      ?? AttentionScore(selection: options.layers, pooling: options.pooling, positions: options.positions)
    self.score = score
    let ownHooks: [any Hook] = options.needsAttention ? [score] : []
    let preparation = try Preparation(
      graph, .standard, inputs: MatchingPlan.inputTypes(description, options),
      outputs: (options.needsBias ? [options.estimateName] : []) + options.values, hooks: ownHooks + hooks,
      rewrites: [RuleSet.recognition, RuleSet.fusion], pool: pool)
    plan = try SweepPlan(
      preparation, axes: axes.filter { preparation.types[$0.key] != nil },
      order: [.image, .timestep, .text])
  }

  /// Types of the pipeline's inputs for one image, one caption and one timestep.
  private static func inputTypes(
    _ description: PipelineDescription, _ options: MatchingOptions
  ) -> [String: TensorType] {
    let size = description.imageSize
    let latent = size / description.latentDownscale
    let latentType = TensorType(.float32, [1, description.latentChannels, latent, latent])
    var types: [String: TensorType] = [
      "pixel_values": TensorType(.float32, [1, 3, size, size]),
      "timestep": TensorType(.int64, [1]),
      "noise": latentType,
    ]
    for tokenizer in description.tokenizers {
      types[tokenizer.input] = TensorType(.int64, [1, tokenizer.maxLength])
    }
    if description.axes[PromptTokens.classInput] != nil {
      types[PromptTokens.classInput] = TensorType(.int64, [1, 1])
    }
    if description.timeIDs != nil { types["time_ids"] = TensorType(.float32, [1, 6]) }
    if options.latent == .sample { types[SampleLatent.input] = latentType }
    return types
  }
}
