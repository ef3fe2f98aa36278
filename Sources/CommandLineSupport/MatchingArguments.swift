/// Options of the matching score.
public struct MatchingArguments: ParsableArguments {
  @OptionGroup public var sweep: SweepArguments

  @Option(help: "Cross-attention layers to read: official, all or patterns separated by commas.")
  public var layers = "official"

  @Option(help: "How scores over the text positions become one number.")
  public var pooling = Pooling.logsumexp

  @Option(help: "Text positions that the attention term is read over: all, or the caption's own (content).")
  public var positions = TextPositions.all

  @Option(
    help: "Tell the attention term relative to: none, empty-caption, noise (no image) or images (their mean)."
  )
  public var normalize = Normalization.none

  public init() {}

  /// The job's options; a hook's own options win.
  public func options(_ hook: HookSpec?) throws -> MatchingOptions {
    var options = try sweep.options()
    options.layers = LayerSelection((hook?["layers"] ?? layers).replacing("+", with: ","))
    options.pooling = pooling
    try override(&options.pooling, hook, "pooling")
    options.positions = positions
    try override(&options.positions, hook, "positions")
    options.normalize = normalize
    try override(&options.normalize, hook, "normalize")
    return options
  }

  /// Takes a hook's own option, if it has it.
  private func override<T: RawRepresentable & CaseIterable>(
    _ value: inout T, _ hook: HookSpec?, _ key: String
  ) throws where T.RawValue == String {
    guard let hook, let text = hook[key] else { return }
    guard let own = T(rawValue: text) else {
      let names = T.allCases.map(\.rawValue).joined(separator: ", ")
      throw UsageError("--hook \(hook.name): \(key) is one of \(names), not '\(text)'")
    }
    value = own
  }
}

extension Pooling: ExpressibleByArgument {}
extension TextPositions: ExpressibleByArgument {}
extension Normalization: ExpressibleByArgument {}
