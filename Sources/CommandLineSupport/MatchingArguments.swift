/// Options of the matching score.
public struct MatchingArguments: ParsableArguments {
  @OptionGroup public var sweep: SweepArguments

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

  public init() {}

  /// The job's options; a hook's own options win.
  public func options(_ hook: HookSpec?) throws -> MatchingOptions {
    var options = try sweep.options()
    options.layers = LayerSelection((hook?["layers"] ?? layers ?? "official").replacing("+", with: ","))
    options.pooling = try hook?.choice("pooling") ?? pooling
    options.positions = try hook?.choice("positions") ?? positions
    options.normalize = try hook?.choice("normalize") ?? normalize
    return options
  }
}

extension Pooling: ExpressibleByArgument {}
extension TextPositions: ExpressibleByArgument {}
extension Normalization: ExpressibleByArgument {}
