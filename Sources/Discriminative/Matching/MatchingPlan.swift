import Diffusion
import GraphIR
import Interpreter
import Operators
import Rewrites

/// A pipeline graph planned for matching: cut to what the score needs, and parted into stages by axes. Captions of an
/// image and timestep run together where that is faster.
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
    var source = graph
    var axes: [String: Axis] = [:]
    for (input, axis) in description.axes { axes[input] = Axis(rawValue: axis.rawValue) }
    if options.latent == .sample {
      source = try SampleLatent().apply(source)
      axes[SampleLatent.input] = .image
    }
    let score =
      score
      ?? AttentionScore(selection: options.layers, pooling: options.pooling, positions: options.positions)
    self.score = score
    let ownHooks: [any Hook] = options.needsAttention ? [score] : []
    let graph = source
    let outputs = (options.needsBias ? [options.estimateName] : []) + options.values
    func prepare(_ rows: Int, _ hooks: [any Hook]) throws -> Preparation {
      try Preparation(
        graph, .standard, inputs: MatchingPlan.inputTypes(description, options, rows: rows),
        outputs: outputs, hooks: hooks, rewrites: [RuleSet.recognition, RuleSet.fusion], pool: pool)
    }
    let preparation = try prepare(1, ownHooks + hooks)
    plan = try SweepPlan(
      preparation, axes: axes.filter { preparation.types[$0.key] != nil },
      order: [.image, .timestep, .text])
    plan.batch(options.batch, prepare: prepare)
  }

  /// Types of the pipeline's inputs for so many images, captions and timesteps, one of each in a row.
  private static func inputTypes(
    _ description: PipelineDescription, _ options: MatchingOptions, rows: Int
  ) -> [String: TensorType] {
    let size = description.imageSize
    let latent = size / description.latentDownscale
    let latentType = TensorType(.float32, [rows, description.latentChannels, latent, latent])
    var types: [String: TensorType] = [
      "pixel_values": TensorType(.float32, [rows, 3, size, size]),
      "timestep": TensorType(.int64, [rows]),
      "noise": latentType,
    ]
    for tokenizer in description.tokenizers {
      types[tokenizer.input] = TensorType(.int64, [rows, tokenizer.maxLength])
    }
    if description.axes[PromptTokens.classInput] != nil {
      types[PromptTokens.classInput] = TensorType(.int64, [rows, 1])
    }
    if description.timeIDs != nil { types["time_ids"] = TensorType(.float32, [rows, 6]) }
    if options.latent == .sample { types[SampleLatent.input] = latentType }
    return types
  }
}
