import OrderedCollections

/// A way to learn, as `--method NAME:ARGUMENT` names it.
public protocol TrainingMethod {
  /// The learning rate when none is given.
  var defaultLearningRate: Double { get }

  /// The layers to read when none are given.
  var defaultLayers: LayerSelection { get }

  /// Gets ready to learn: nothing has been learned when it returns.
  func prepare(_ context: TrainingContext) throws -> PreparedTraining
}

/// What a method learns with.
public struct TrainingContext {
  public var loaded: LoadedGraph
  /// ``LoadedGraph/digests()``.
  public var digests: [String: String]
  /// The items that examples are places in: those to learn from, then those of validation.
  public var items: [EvaluationItem]
  public var images: ImageSource
  /// Terms, timesteps, noise, latent, and the layers to read.
  public var matching: MatchingOptions
  public var loss: TrainingLoss
  /// Words to begin from, for methods that learn words.
  public var words: String?
  /// Decides what is drawn before the first step.
  public var seed: UInt64
  /// A file that keeps what does not change from run to run.
  public var cache: String?
  public var threads: Int
  /// The processes that learn together; nil for one alone.
  public var group: (any ProcessGroup)?
  /// Told of work before the first step: what it is, how much is done, and how much there is.
  public var progress: ((String, Int, Int) -> Void)?

  /// - Throws: `DataError` when the graph's file cannot be read any more.
  public init(
    loaded: LoadedGraph, items: [EvaluationItem], images: ImageSource, matching: MatchingOptions,
    loss: TrainingLoss, words: String? = nil, seed: UInt64 = 0, cache: String? = nil, threads: Int = 1,
    progress: ((String, Int, Int) -> Void)? = nil
  ) throws {
    self.loaded = loaded
    digests = try loaded.digests()
    self.items = items
    self.images = images
    self.matching = matching
    self.loss = loss
    self.words = words
    self.seed = seed
    self.cache = cache
    self.threads = threads
    self.progress = progress
  }
}

/// An objective with what belongs to it.
public struct PreparedTraining {
  public var objective: any TrainingObjective
  public var rule: Head.Rule
  /// The noise levels that validation, and an objective without draws, uses.
  public var timesteps: [Int]
  /// More that decides how the run ends, such as the digest of a head's file.
  public var settings: [String: String]
  /// Keeps what was computed and will not change, when learning has ended or is stopped.
  public var keep: () throws -> Void
  /// Writes what was learned.
  public var save: (_ learned: OrderedDictionary<String, Tensor>, _ path: String) throws -> Void

  public init(
    objective: any TrainingObjective, rule: Head.Rule = .adamw, timesteps: [Int],
    settings: [String: String] = [:], keep: @escaping () throws -> Void = {},
    save: @escaping (_ learned: OrderedDictionary<String, Tensor>, _ path: String) throws -> Void
  ) {
    self.objective = objective
    self.rule = rule
    self.timesteps = timesteps
    self.settings = settings
    self.keep = keep
    self.save = save
  }
}

/// The methods that have a name. A further one is a type that conforms to `TrainingMethod`, and a line here.
public enum TrainingMethods {
  public struct Known: Sendable {
    public let name: String
    /// How it is written, for people.
    public let usage: String
    public let summary: String
    let make: @Sendable (_ argument: String?) throws -> any TrainingMethod
  }

  public static let known: [Known] = [
    Known(
      name: "prompt-tokens", usage: "prompt-tokens:COUNT",
      summary: "words of its own that stand before every caption"
    ) { try AdapterMethod("prompt-tokens", $0) },
    Known(
      name: "kv-tokens", usage: "kv-tokens:COUNT",
      summary: "keys and values that every cross-attention layer finds beside the caption's"
    ) { try AdapterMethod("kv-tokens", $0) },
    Known(
      name: "lora", usage: "lora:RANK[,alpha=A][,targets=q+k+v+out][,layers=cross|self|both]",
      summary: "low-rank changes of attention's linear layers"
    ) { try AdapterMethod("lora", $0) },
    Known(
      name: "head", usage: "head:NAME or head:FILE.pb",
      summary: "the learned tensors of a head, on the terms of a model that stays as it is"
    ) { try HeadMethod($0) },
  ]

  /// - Parameter text: `NAME` or `NAME:ARGUMENT`.
  /// - Throws: `UsageError` when there is no such method.
  public static func make(_ text: String) throws -> any TrainingMethod {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard let known = known.first(where: { $0.name == parts[0] }) else {
      let list = known.map(\.usage).joined(separator: ", ")
      throw UsageError("--method: there is no method '\(parts[0])'; there are: \(list)")
    }
    return try known.make(parts.count > 1 ? parts[1] : nil)
  }
}
