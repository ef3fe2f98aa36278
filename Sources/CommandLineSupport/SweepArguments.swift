/// Options of a sweep over images, captions and timesteps, however its attention is read.
public struct SweepArguments: ParsableArguments {
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
    _ = try SweepArguments.timesteps(timesteps)
  }

  /// Noise levels separated by commas; nil for none.
  /// - Throws: `ValidationError` that names what is no number.
  public static func timesteps(_ text: String?) throws -> [Int]? {
    try text?.split(separator: ",", omittingEmptySubsequences: false).map { part in
      guard let value = Int(part) else {
        throw ValidationError("--timesteps: '\(part)' is not a number")
      }
      return value
    }
  }

  /// Options of a job, with the defaults for how attention is read.
  /// - Throws: `DataError` when the noise cannot be read.
  public func options() throws -> MatchingOptions {
    var options = MatchingOptions()
    options.timesteps = try SweepArguments.timesteps(timesteps)
    options.samples = samples
    options.seed = seed
    if let noise { options.noise = try NPYFile.read(path: noise) }
    options.latent = latent
    options.terms = score
    options.officialCompat = officialCompat
    options.memoryBudget = Int(holdMemory * 1e9)
    return options
  }
}

/// How many captions go through a model together.
public struct BatchArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Captions that go through the UNet together; by default several where it is its weights, or the start of "
        + "kernels, that takes the time.",
      valueName: "count"))
  public var captionsAtOnce: Int?

  public init() {}

  public func validate() throws {
    if let captionsAtOnce, !(1...1024).contains(captionsAtOnce) {
      throw ValidationError("--captions-at-once: \(captionsAtOnce) is not a number from 1 to 1024")
    }
  }
}

extension MatchingOptions.Latent: ExpressibleByArgument {}
extension MatchingOptions.Terms: ExpressibleByArgument {}
