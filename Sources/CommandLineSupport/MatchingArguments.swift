/// Options of the matching score.
public struct MatchingArguments: ParsableArguments {
  @Option(help: "Noise levels to score at, such as 100,500,900.")
  public var timesteps: String?

  @Option(help: "How many noise levels, spread evenly, when --timesteps is not given.")
  public var samples = 4

  @Option(help: "Seed of the noise, as torch.manual_seed takes it.")
  public var seed: UInt64 = 0

  @Option(
    help: ArgumentHelp("Noise [timesteps, channels, height, width] from a .npy file.", valueName: "file"))
  public var noise: String?

  @Option(help: "What stands for an image: the mean of the VAE's posterior or a sample.")
  public var latent = MatchingOptions.Latent.mean

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

  @Option(help: "Terms of the score.")
  public var score = MatchingOptions.Terms.both

  @Flag(
    help: "Reproduce the official code: attention averaged over the empty caption, raw output in the bias.")
  public var officialCompat = false

  @Option(help: "Memory for values held between passes, in GB.")
  public var holdMemory = 4.0

  public init() {}

  public func validate() throws {
    if samples < 1 { throw ValidationError("--samples: \(samples) is not at least 1") }
    if !(0...1e6).contains(holdMemory) {
      throw ValidationError("--hold-memory: \(holdMemory) is not a size in GB")
    }
    _ = try parsedTimesteps()
  }

  private func parsedTimesteps() throws -> [Int]? {
    guard let timesteps else { return nil }
    let parts = timesteps.split(separator: ",", omittingEmptySubsequences: false)
    return try parts.map { part in
      guard let value = Int(part) else {
        throw ValidationError("--timesteps: '\(part)' is not a number")
      }
      return value
    }
  }

  /// The job's options; a hook's own options win.
  public func options(_ hook: HookSpec?) throws -> MatchingOptions {
    var options = MatchingOptions()
    options.timesteps = try parsedTimesteps()
    options.samples = samples
    options.seed = seed
    if let noise { options.noise = try NPYFile.read(path: noise) }
    options.latent = latent
    options.layers = LayerSelection((hook?["layers"] ?? layers).replacing("+", with: ","))
    options.pooling = pooling
    try override(&options.pooling, hook, "pooling")
    options.positions = positions
    try override(&options.positions, hook, "positions")
    options.normalize = normalize
    try override(&options.normalize, hook, "normalize")
    options.terms = score
    options.officialCompat = officialCompat
    options.memoryBudget = Int(holdMemory * 1e9)
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

extension MatchingOptions.Latent: ExpressibleByArgument {}
extension MatchingOptions.Terms: ExpressibleByArgument {}
extension Pooling: ExpressibleByArgument {}
extension TextPositions: ExpressibleByArgument {}
extension Normalization: ExpressibleByArgument {}
