import Foundation
import GraphIR
import Interpreter
import ONNXWire

/// A model's answers to the items of a benchmark: their terms, computed once and kept in a file, and the table of
/// accuracies.
public final class Evaluation {
  public let items: [EvaluationItem]
  public let options: EvaluationOptions
  public let timesteps: [Int]
  /// Names of the cross-attention layers; empty when the attention term is not asked for.
  public let layers: [String]
  /// How many attention heads each layer has, where they are kept one by one.
  public let headCounts: [Int]
  /// The table's rows.
  public let choices: [ScoreChoice]
  /// How many items ran beside each other.
  public private(set) var workerCount = 0

  /// Items that were left out because an image of theirs cannot be read, in their order.
  public var bad: [DatasetRows.Bad] {
    reasons.sorted { $0.key < $1.key }.map { .init(place: items[$0.key].place, reason: $0.value) }
  }

  /// Why items were left out, by their places.
  private(set) var reasons: [Int: String] = [:]

  private let skipsBad: Bool
  private let graph: Graph
  private let tokenizers: PipelineTokenizers
  private let images: ImageSource
  /// Nil for an item that is left out.
  private var identities: [ItemIdentity?]
  private let store: any TermStore
  private let file: ResultsFile?
  /// The digests that a file knows the model by.
  private let digests: (graph: String, weights: String)
  private let layout: TermLayout
  private let levels: [NoiseLevel]
  private var terms: [ItemIdentity: MatchingTerms] = [:]
  private var first: EvaluationWorker?

  /// Reads what is known already; the graph is planned only where the results cannot tell its layers.
  /// - Parameters:
  ///   - results: where terms are kept; in memory alone when nil.
  ///   - skipsBad: whether items with images that cannot be read are left out and counted.
  /// - Throws: `DataError` that names the item's file and line, or the file that cannot be used.
  public init(
    _ loaded: LoadedGraph, items: [EvaluationItem], images: ImageSource, options: EvaluationOptions,
    results: ResultsFile? = nil, skipsBad: Bool = false
  ) throws {
    self.skipsBad = skipsBad
    graph = loaded.graph
    self.items = items
    self.images = images
    self.options = options
    let description = try PipelineDescription(from: graph)
    timesteps = try options.matching.timesteps(of: description)
    tokenizers = try PipelineTokenizers(description, of: loaded.graph, folder: loaded.assets)
    let noise = try MatchingNoise(options.matching, description, timesteps: timesteps.count)
    levels = zip(timesteps, MatchingNoise.digests(noise.levels)).map { NoiseLevel(timestep: $0, noise: $1) }
    var posteriors: [Int: [String]] = [:]
    let samples = options.matching.latent == .sample
    let known = try ItemIdentities(tokenizers, images) { count in
      guard samples else { return [] }
      let digests = posteriors[count] ?? MatchingNoise.digests(noise.posteriors(images: count))
      posteriors[count] = digests
      return digests
    }
    var reasons: [Int: String] = [:]
    identities = try items.enumerated().map { place, item in
      do { return try known.identity(item) } catch let error as DataError {
        guard skipsBad else { throw error.at(item.place) }
        reasons[place] = error.message
        return nil
      }
    }
    self.reasons = reasons

    for head in options.heads { try head.check(graph) }
    if results != nil, let value = options.values.first {
      throw DataError("a head reads the value '\(value)', which no file of results keeps: leave it out")
    }
    let shape = options.shape
    file = results
    digests = results == nil ? ("", "") : (try loaded.fileDigest(), WeightDigest.hex(of: graph))
    var model = try results?.model(graph: digests.graph, weights: digests.weights)
    let readsLayers = !shape.variants.isEmpty || shape.hasHeads
    if results == nil || readsLayers && model?.layers == nil || shape.hasHeads && model?.heads == nil {
      let worker = try EvaluationWorker(
        graph, tokenizers, options, shape, images, pool: ThreadPool(threads: options.threads))
      first = worker
      model = ResultsFile.Model(layers: readsLayers ? worker.layers : nil, heads: worker.headCounts)
    }
    self.model = model ?? ResultsFile.Model()
    layers = readsLayers ? model?.layers ?? [] : []
    headCounts = shape.hasHeads ? model?.heads ?? [] : []
    choices = try options.choices(layers: layers, timesteps: timesteps)
    layout = TermLayout(
      shape: shape, officialCompat: options.matching.officialCompat, steps: timesteps.count,
      layers: layers.count, heads: headCounts.reduce(0, +), empty: known.empty)
    store =
      try results?.terms(graph: digests.graph, weights: digests.weights, levels: levels) ?? TermsInMemory()
    if results != nil { try recallAll() }
  }

  /// What is told of the model to a file.
  private let model: ResultsFile.Model

  /// An item's terms from the store; nil when some are missing.
  private func recall(_ place: Int) throws -> MatchingTerms? {
    guard let identity = identities[place] else { return nil }
    if let terms = terms[identity] { return terms }
    do {
      let found = try layout.terms(identity, in: store)
      terms[identity] = found
      return found
    } catch let error as DataError {
      guard let file, !error.message.hasPrefix(file.path) else { throw error }
      throw error.at(file.path)
    }
  }

  /// Takes what another process has left in the file.
  func recallAll() throws { for place in items.indices { _ = try recall(place) } }

  /// A digest of all that decides which terms there are.
  func digest() throws -> String {
    var hash = SHA256()
    for text in [digests.graph, digests.weights, layout.empty, layout.error.name] { hash.update(text) }
    for level in levels { hash.update("\(level.timestep) \(level.noise)") }
    for variant in layout.shape.variants { hash.update("\(variant)") }
    let shape = layout.shape
    hash.update("\(shape.hasErrors) \(shape.hasEmptyCaption) \(shape.hasPureNoise) \(shape.hasHeads)")
    for identity in identities {
      hash.update((identity.map { $0.images + [""] + $0.captions } ?? []).joined(separator: ","))
    }
    return hash.hex
  }

  /// Places of the items whose terms are not there yet, one for each identity.
  public var pending: [Int] {
    var seen: Set<ItemIdentity> = []
    return items.indices.filter { place in
      guard let identity = identities[place], terms[identity] == nil else { return false }
      return seen.insert(identity).inserted
    }
  }

  /// Tells the results file what is asked for, so that it can be reported without anything else.
  /// - Parameters:
  ///   - origin: where graph and items come from.
  ///   - bad: rows that are no items.
  public func describe(_ origin: RunOrigin, bad: [DatasetRows.Bad] = []) throws {
    guard let file else { return }
    let matching = options.matching
    let description = RunDescription(
      origin: origin, graph: digests.graph, weights: digests.weights,
      levels: levels.map { .init(timestep: $0.timestep, noise: $0.noise) },
      seed: matching.noise == nil ? matching.seed : nil,
      latent: matching.latent.rawValue, score: (matching.terms ?? .both).rawValue,
      officialCompat: matching.officialCompat, variants: options.variants.map(\.description),
      layers: options.layers.map { .init(name: $0.name, selection: $0.selection.description) },
      emptyCaption: layout.empty, bad: bad + self.bad)
    try file.note(model, graph: digests.graph, weights: digests.weights)
    try file.begin(
      description,
      items: zip(items, identities).compactMap { item, identity in identity.map { (item, $0) } })
  }

  /// Progress of a run.
  public struct Progress: Sendable {
    /// Items, those that were there before included; of all those and the run's own.
    public var items, allItems: Int
    /// Positions of the sweeps of this run: pairs times timesteps.
    public var passes, allPasses: Int
  }

  /// Passes of the UNet that an item still takes.
  private func missing(_ identity: ItemIdentity) throws -> Set<TermLayout.Pass> {
    // Values for heads are kept of whole items.
    guard layout.shape.values.isEmpty else { return Set(layout.passes(identity)) }
    return try layout.missing(identity, in: store)
  }

  /// What a run would take.
  public struct Estimate: Sendable {
    /// Items that are not known yet, and passes of the UNet for them.
    public let items, passes: Int
    /// Nil where nothing was there to measure.
    public let passesPerSecond: Double?
    /// What the whole takes, images and captions included at the passes' rate of multiply-adds.
    public let seconds: Double?
    /// Bytes beside the weights, and of the weights.
    public let peakBytes, weightBytes: Int
  }

  /// Begins the run for a few seconds to see how fast it is; nothing is kept.
  /// - Parameters:
  ///   - chosen: places of pending items; all of them when nil.
  ///   - seconds: after so many it ends, as soon as it has passes to tell of.
  public func estimate(_ chosen: [Int]? = nil, seconds: Double = 10) throws -> Estimate {
    let pending = chosen ?? pending
    let workers = try makeWorkers(pending.count)
    let budget = options.matching.memoryBudget / workers.count
    let end = Date(timeIntervalSinceNow: seconds)
    let lock = NSLock()
    var (next, rate) = (0, 0.0)
    var failure: (any Error)?
    ThreadPool(threads: workers.count).forEach(workers.count) { number in
      let worker = workers[number]
      var (passes, time) = (0, 0.0)
      do {
        while Date() < end {
          let place = lock.withLock { next < pending.count ? pending[next] : nil }
          guard let place else { break }
          lock.withLock { next += 1 }
          guard let pixels = try? worker.pixels(of: items[place]) else { continue }
          let item = items[place]
          let (done, taken): (Int, Double)
          do {
            (done, taken) = try worker.time(item, pixels, budget: budget) { Date() >= end }
          } catch let error as DataError { throw error.at(item.place) }
          (passes, time) = (passes + done, time + taken)
        }
      } catch {
        lock.withLock { failure = failure ?? error }
      }
      if time > 0 { lock.withLock { rate += Double(passes) / time } }
    }
    if let failure { throw failure }
    let work = pending.reduce(0.0) { $0 + workers[0].work(of: items[$1]).all }
    let pass = pending.first.map { workers[0].work(of: items[$0]).pass } ?? 0
    return Estimate(
      items: pending.count, passes: try pending.reduce(0) { $0 + (try missing(identities[$1]!).count) },
      passesPerSecond: rate > 0 ? rate : nil, seconds: rate > 0 && pass > 0 ? work / (rate * pass) : nil,
      peakBytes: workers.reduce(0) { $0 + $1.peakBytes }, weightBytes: workers[0].constantBytes)
  }

  /// Computes the terms that are missing, several items beside each other where the model is small.
  ///
  /// Every item is kept as soon as it and those before it are done. Terms do not depend on the number of threads.
  /// - Parameters:
  ///   - chosen: the places of the items to run, of those that are pending; all of them when nil.
  ///   - progress: told after each item, from any thread but one at a time.
  /// - Throws: `DataError` with the item's place; what was computed until then is kept.
  public func run(_ chosen: [Int]? = nil, progress: ((Progress) -> Void)? = nil) throws {
    let pending = chosen ?? pending
    guard !pending.isEmpty else { return }
    let workers = try makeWorkers(pending.count)
    workerCount = workers.count
    try file?.note(model, graph: digests.graph, weights: digests.weights)
    let budget = options.matching.memoryBudget / workers.count
    let queue = EvaluationQueue<EvaluationWorker.Output>(workers) { [store] _, output in
      if !output.records.isEmpty { try store.append(output.records) }
    }
    let counts = try pending.map { try missing(identities[$0]!).count }
    let wanted = pending.map { identities[$0]! }
    let known = items.count - bad.count - self.pending.count
    var state = Progress(
      items: known, allItems: known + pending.count, passes: 0, allPasses: counts.reduce(0, +))
    progress?(state)
    let lock = NSLock()
    var unreadable: [Int: String] = [:]
    var values: [Int: [String: KeptValue]] = [:]
    try queue.run(pending.count) { [items, skipsBad, layout] place, worker in
      let item = items[pending[place]]
      // Asked again: another run, or an item before this one, may have left something meanwhile.
      let passes = try missing(wanted[place])
      guard !passes.isEmpty else { return .init() }
      // Decoded before anything runs: a damaged image costs no passes.
      let pixels: [Tensor]
      do { pixels = try worker.pixels(of: item) } catch let error as DataError {
        guard skipsBad else { throw error.at(item.place) }
        lock.withLock { unreadable[place] = error.message }
        return nil
      }
      do {
        let output = try worker.run(item, wanted[place], layout, passes: passes, pixels, budget: budget)
        if !output.values.isEmpty { lock.withLock { values[place] = output.values } }
        return output
      } catch let error as DataError { throw error.at(item.place) }
    } finished: { place in
      if let reason = lock.withLock({ unreadable[place] }) { leaveOut(pending[place], reason) }
      state.items += 1
      state.passes += counts[place]
      progress?(state)
    }
    for place in pending.indices {
      // In order, as an item's passes may be another's.
      guard var known = try recall(pending[place]) else { continue }
      guard let values = values[place] else { continue }
      known.values = values
      terms[identities[pending[place]]!] = known
    }
  }

  /// Leaves out every item with the images and captions of this one.
  func leaveOut(_ place: Int, _ reason: String) {
    guard let identity = identities[place] else {
      reasons[place] = reasons[place] ?? reason
      return
    }
    for other in items.indices where identities[other] == identity {
      identities[other] = nil
      reasons[other] = reason
    }
  }

  /// The terms of an item, by its place; nil before `run` has been through.
  public func terms(of place: Int) -> MatchingTerms? { identities[place].flatMap { terms[$0] } }

  /// The table of all items.
  /// - Throws: `DataError` before `run` has been through.
  public func table() throws -> EvaluationTable {
    let answered = try zip(items, identities).compactMap {
      item, identity -> (item: EvaluationItem, terms: MatchingTerms)? in
      guard let identity else { return nil }
      guard let terms = terms[identity] else { throw DataError("\(item.place): the item has not been run") }
      return (item: item, terms: terms)
    }
    return try EvaluationTable(answered, choices: choices, headCounts: headCounts)
  }

  /// What a head's row reads of all pairs of an item, image by image.
  /// - Throws: `DataError` before `run` has been through.
  public func headTerms(of place: Int, _ choice: ScoreChoice) throws -> HeadTerms {
    guard let terms = terms(of: place) else {
      throw DataError("\(items[place].place): the item has not been run")
    }
    return choice.headTerms(terms, headCounts: headCounts)
  }

  /// One worker with all threads for a large model, else one a thread.
  private func makeWorkers(_ items: Int) throws -> [EvaluationWorker] {
    let worker =
      try first
      ?? EvaluationWorker(
        graph, tokenizers, options, layout.shape, images, pool: ThreadPool(threads: options.threads))
    first = worker
    let count = worker.workerCount(items: items, threads: options.threads)
    guard count > 1 else { return [worker] }
    return try (0..<count).map { _ in try EvaluationWorker(beside: worker, pool: ThreadPool(threads: 1)) }
  }
}
