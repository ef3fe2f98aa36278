import Diffusion
import GraphIR
import Interpreter

/// A pipeline graph made ready for matching: its plan, noise and tokenizers serve any images and captions, one
/// `MatchingJob` after the other.
public final class MatchingSetup {
  public let description: PipelineDescription
  public let options: MatchingOptions
  public let timesteps: [Int]
  public let tokenizers: PipelineTokenizers
  /// The hook that reads the attention term.
  public let score: AttentionScore
  /// The hooks that watch every run: that one, where the options want it, and those that were given.
  public let hooks: [any Hook]
  /// The graph cut into stages by axes.
  public let plan: SweepPlan
  private let drawn: MatchingNoise
  /// `[timesteps, channels, height, width]`
  var noise: Tensor { drawn.levels }

  /// - Parameters:
  ///   - graph: a pipeline with its weights bound.
  ///   - grid: of the first job, where that is known already.
  ///   - score: reads the attention term; made of the options when nil.
  ///   - hooks: more hooks that watch the runs.
  /// - Throws: `DataError` for timesteps out of range, noise of another shape, and all that preparing the graph
  ///   finds.
  public init(
    _ graph: Graph, _ tokenizers: PipelineTokenizers, _ options: MatchingOptions,
    for grid: MatchingGrid? = nil,
    score: AttentionScore? = nil, hooks: [any Hook] = [], pool: ThreadPool
  ) throws {
    description = try PipelineDescription(from: graph)
    self.options = options
    self.tokenizers = tokenizers
    timesteps = try options.timesteps(of: description)

    drawn = try MatchingNoise(options, description, timesteps: timesteps.count)

    let score =
      score
      ?? AttentionScore(selection: options.layers, pooling: options.pooling, positions: options.positions)
    self.score = score
    let pureNoise = options.needsPureNoise ? PureNoise() : nil
    let others = (pureNoise.map { [$0] } ?? []) + hooks
    self.hooks = (options.needsAttention ? [score] : []) + others
    let first =
      grid ?? MatchingGrid(options, tokenizers, description, images: [], texts: [], timesteps: timesteps)
    for case let hook as any MatchingHook in self.hooks { try hook.willMatch(first) }
    plan = try MatchingPlan(graph, description, options, score: score, hooks: others, pool: pool).plan
    try pureNoise?.checkSelection()
  }

  /// A setup whose jobs run beside another's: it shares the graph and its constants.
  /// - Throws: `DataError` when a hook is no `TwinHook`.
  public init(beside other: MatchingSetup, pool: ThreadPool) throws {
    description = other.description
    options = other.options
    tokenizers = other.tokenizers
    timesteps = other.timesteps
    drawn = other.drawn
    var twins: [ObjectIdentifier: any Hook] = [:]
    for hook in other.hooks {
      guard let hook = hook as? any TwinHook else {
        throw DataError("hook \(hook.name) cannot run beside itself")
      }
      twins[ObjectIdentifier(hook)] = hook.twin()
    }
    hooks = other.hooks.map { twins[ObjectIdentifier($0)]! }
    score = twins[ObjectIdentifier(other.score)] as? AttentionScore ?? other.score.twin()
    plan = try SweepPlan(beside: other.plan, pool: pool) { twins[ObjectIdentifier($0)]! }
  }

  /// Passes of this many multiply-adds keep the threads of one pool busy; smaller ones do not.
  private static let largePass = 8_000_000_000

  /// How many setups of one thread each should share `items` that do not depend on each other; 1 where all threads are
  /// better at one item at a time.
  func workerCount(items: Int, threads: Int) -> Int {
    let count = min(threads, items)
    let largest = plan.largestMultiplyAdds
    guard count > 1, largest < Self.largePass, plan.peakBytes < Storage.machineBytes / 4 / count,
      hooks.allSatisfy({ $0 is any TwinHook })
    else { return 1 }
    return count
  }

  /// Tells the hooks of the next job.
  func begin(_ grid: MatchingGrid) throws {
    for case let hook as any MatchingHook in hooks { try hook.willMatch(grid) }
  }

  /// The noise of `images` posteriors, where samples of them stand for images.
  func posteriorNoise(images: Int) -> Tensor? {
    options.latent == .sample ? drawn.posteriors(images: images) : nil
  }
}
