import Discriminative
import Foundation

/// A pipeline graph that answers requests, one after the other: what it has prepared for one serves the next where they
/// differ in images and captions alone.
///
/// Not for several threads: the server's queue is the only one that runs requests.
public final class PlaygroundModel: @unchecked Sendable {
  /// A file that requests choose by its name.
  public struct Choice: Sendable {
    public let name: String
    public let path: String

    /// Names are those of the files; where two are the same, their paths.
    public static func named(_ paths: [String]) -> [Choice] {
      let names = paths.map { URL(fileURLWithPath: $0).lastPathComponent }
      return zip(paths, names).map { path, name in
        Choice(name: names.count { $0 == name } > 1 ? path : name, path: path)
      }
    }
  }

  /// What a client may know of the model before it asks.
  struct Facts: Sendable, Encodable {
    let graph: String
    let imageSize, scheduleLength: Int
    /// Numbers in the map of a word.
    let mapArea: Int
    /// Cross-attention layers, in the graph's order, and those that are read unless a request says otherwise.
    let layers, official: [String]
    let adapters: [String]
    let heads: [HeadFacts]
    let version: String
    var limits: PlaygroundLimits

    /// A head that requests may choose, and what it was trained on: it takes nothing else.
    struct HeadFacts: Sendable, Encodable {
      let name: String
      let timesteps: [Int]?
      let layers: [String]?
      let score: String?
    }

    enum CodingKeys: String, CodingKey {
      case graph, layers, official, adapters, heads, version, limits
      case imageSize = "image_size"
      case mapArea = "map_area"
      case scheduleLength = "schedule_length"
    }
  }

  let facts: Facts
  let description: PipelineDescription
  let adapters: [Choice]
  let heads: [(name: String, head: Head)]
  private let load: ([String]) throws -> LoadedGraph
  private let settings: Settings
  let tokenizers: PipelineTokenizers
  /// Nil when what was asked for last could not be loaded; likewise `prepared`.
  private var loaded: (adapters: [String], graph: LoadedGraph)?
  private var prepared: Prepared?

  /// What is the same for all requests.
  public struct Settings {
    public var pool: ThreadPool
    /// Bytes for values held between passes.
    public var memoryBudget = 4 << 30
    /// Captions that go through the UNet together; nil leaves it to the model.
    public var captionsAtOnce: Int?

    public init(pool: ThreadPool) { self.pool = pool }
  }

  /// A setup with the hooks that requests of one kind read.
  private struct Prepared {
    let key: String
    let setup: MatchingSetup
    var terms: AttentionScore?
    var maps: AttentionMap?
    var heads: AttentionHeads?
  }

  /// Loads the graph and prepares it for the page's requests, so that what is wrong with it is told at once.
  /// - Parameters:
  ///   - load: gives the graph with the adapters at these paths.
  ///   - version: of the program.
  /// - Throws: `DataError` that names the file at fault, those of adapters and heads included.
  public init(
    graph: String, adapters: [Choice], heads: [Choice], settings: Settings, version: String,
    load: @escaping ([String]) throws -> LoadedGraph
  ) throws {
    self.adapters = adapters
    self.heads = try heads.map { ($0.name, try Head($0.path)) }
    self.load = load
    self.settings = settings
    let plain = try load([])
    loaded = ([], plain)
    // Whether every adapter fits the graph is found now.
    for adapter in adapters { _ = try load([adapter.path]) }
    for (_, head) in self.heads { try head.check(plain.graph) }
    var request = ScoreRequest()
    request.wantsTerms = true
    request.maps = ScoreRequest.Maps()
    let prepared = try PlaygroundModel.prepare(request, nil, plain, settings)
    self.prepared = prepared
    let description = prepared.setup.description
    tokenizers = prepared.setup.tokenizers
    let latent = description.imageSize / description.latentDownscale
    self.description = description
    facts = Facts(
      graph: URL(fileURLWithPath: graph).lastPathComponent, imageSize: description.imageSize,
      scheduleLength: description.scheduler.trainTimesteps, mapArea: latent * latent,
      layers: prepared.terms!.layers.map(\.name), official: prepared.setup.score.layers.map(\.name),
      adapters: adapters.map(\.name),
      heads: self.heads.map { name, head in
        Facts.HeadFacts(
          name: name, timesteps: head.timesteps, layers: head.layers, score: head.terms?.rawValue)
      }, version: version,
      limits: PlaygroundLimits())
  }

  /// Scores all pairs of a request.
  /// - Parameters:
  ///   - cancellation: ends the run with a `CancellationError`.
  ///   - progress: told the number of finished and of all passes.
  func run(
    _ request: ScoreRequest, cancellation: Cancellation, progress: @escaping (Int, Int) -> Void
  ) throws -> ScoreAnswer {
    let start = Date()
    let head = request.head.flatMap { name in heads.first { $0.name == name }?.head }
    let prepared = try prepared(for: request, head, cancellation)
    defer { prepared.maps?.forget() }
    let size = description.imageSize
    let job = try MatchingJob(
      prepared.setup, imageNames: request.imageNames, texts: request.texts, isOnly: true,
      pixels: { try request.pixels($0, size: size) })
    if let head {
      let layers = request.options.terms != .bias ? job.score.layers : prepared.heads?.layers ?? []
      try head.check(
        timesteps: job.timesteps, layers: layers.map(\.name), terms: request.options.terms ?? .both)
    }
    job.cancellation = cancellation
    var result = try job.run { done, total in
      try cancellation.check()
      progress(done, total)
    }
    if let head {
      let terms = try HeadTerms(job, heads: prepared.heads)
      result.rescore(try HeadRunner(head).scores(terms), head: head.name)
    }
    let terms = try request.wantsTerms ? terms(job, result, prepared.terms) : nil
    let maps = try prepared.maps.map { hook in
      try request.images.indices.map { image in
        try request.texts.indices.map { text in
          try cancellation.check()
          return ScoreAnswer.Map(try hook.maps(image: image, text: text))
        }
      }
    }
    return ScoreAnswer(result: result, terms: terms, maps: maps, seconds: Date().timeIntervalSince(start))
  }

  /// The graph with the request's adapters, ready for its options.
  private func prepared(
    for request: ScoreRequest, _ head: Head?, _ cancellation: Cancellation
  ) throws -> Prepared {
    if let prepared, prepared.key == request.preparationKey { return prepared }
    // One model's memory at a time.
    prepared = nil
    let paths = request.adapters.map { name in adapters.first { $0.name == name }!.path }
    if loaded?.adapters != paths {
      loaded = nil
      loaded = (paths, try load(paths))
    }
    try cancellation.check()
    let made = try PlaygroundModel.prepare(request, head, loaded!.graph, settings)
    prepared = made
    return made
  }

  private func terms(
    _ job: MatchingJob, _ result: MatchingResult, _ all: AttentionScore?
  ) throws -> ScoreAnswer.Terms {
    guard let all else {
      return ScoreAnswer.Terms(layers: [], chosen: [], attention: nil, bias: result.perTimestep.bias)
    }
    let names = all.layers.map(\.name)
    let byLayer = try names.indices.map { layer in
      try job.attention(of: all, layer: layer, normalize: job.options.normalize)
    }
    let attention = result.images.indices.map { image in
      result.texts.indices.map { text in
        result.timesteps.indices.map { step in byLayer.map { $0[image][text][step] } }
      }
    }
    return ScoreAnswer.Terms(
      layers: names, chosen: result.layers.compactMap { names.firstIndex(of: $0) }, attention: attention,
      bias: result.perTimestep.bias)
  }

  private static func prepare(
    _ request: ScoreRequest, _ head: Head?, _ loaded: LoadedGraph, _ settings: Settings
  ) throws -> Prepared {
    var options = request.options
    options.memoryBudget = settings.memoryBudget
    options.batch = settings.captionsAtOnce
    var (maps, terms, heads): (AttentionMap?, AttentionScore?, AttentionHeads?)
    if let wanted = request.maps {
      maps = AttentionMap(selection: wanted.layers, positions: wanted.positions, relative: wanted.relative)
    }
    if let head {
      options.values = head.values
      if let layers = head.layers { options.layers = .matching(layers.map { Glob($0) }) }
      if head.reads.contains(.heads) { heads = AttentionHeads(selection: options.layers) }
    }
    if request.wantsTerms, options.terms != .bias {
      terms = AttentionScore(selection: .all, pooling: options.pooling, positions: options.positions)
    }
    let description = try PipelineDescription(from: loaded.graph)
    let tokenizers = try PipelineTokenizers(description, of: loaded.graph, folder: loaded.assets)
    let hooks: [(any Hook)?] = [maps, terms, heads]
    let setup = try MatchingSetup(
      loaded.graph, tokenizers, options, hooks: hooks.compactMap { $0 }, pool: settings.pool)
    return Prepared(
      key: request.preparationKey, setup: setup, terms: terms, maps: maps, heads: heads)
  }
}

extension ScoreRequest {
  /// A request without images, to prepare for.
  init(texts: [String] = []) {
    imageNames = []
    images = []
    self.texts = texts
  }
}
