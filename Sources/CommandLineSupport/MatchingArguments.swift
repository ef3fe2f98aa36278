/// Options of the matching score.
public struct MatchingArguments: ParsableArguments {
  @OptionGroup public var sweep: SweepArguments
  @OptionGroup public var batch: BatchArguments

  @Option(
    help: "Layers to read: official, all or patterns separated by commas (default: official; attn-map: all).")
  public var layers: String?

  @Option(help: "How scores over the text positions become one number.")
  public var pooling = Pooling.logsumexp

  @Option(help: "Text positions that the attention term is read over: all, or the caption's own (content).")
  public var positions = TextPositions.all

  @Option(
    help: "Tell the attention term relative to: none, empty-caption, noise (no image) or images (their mean)."
  )
  public var normalize = Normalization.none

  @Option(help: ArgumentHelp("Score with a head: a name (dsd head) or a graph file.", valueName: "head"))
  public var head: String?

  @Flag(
    help: ArgumentHelp(
      "Give up captions of an image that can no longer be its best one; tells how many passes that saved."))
  public var adaptive = false

  @Option(
    help: ArgumentHelp(
      "With --adaptive: the probability, for an image, to give up the caption that all passes would name.",
      valueName: "rate"))
  public var errorRate: Double?

  public init() {}

  public func validate() throws {
    guard let errorRate else { return }
    guard adaptive else { throw ValidationError("--error-rate needs --adaptive") }
    guard errorRate > 0, errorRate < 1 else {
      throw ValidationError("--error-rate: \(errorRate) is not between 0 and 1")
    }
  }

  /// The job's options; a hook's own options win.
  public func options(_ hook: HookSpec?) throws -> MatchingOptions {
    var options = try sweep.options()
    options.layers = LayerSelection((hook?["layers"] ?? layers ?? "official").replacing("+", with: ","))
    options.pooling = try hook?.choice("pooling") ?? pooling
    options.positions = try hook?.choice("positions") ?? positions
    options.adaptive = adaptive ? errorRate ?? 0.05 : nil
    options.normalize = try hook?.choice("normalize") ?? normalize
    options.batch = batch.captionsAtOnce
    return options
  }
}

extension Pooling: ExpressibleByArgument {}
extension TextPositions: ExpressibleByArgument {}
extension Normalization: ExpressibleByArgument {}
