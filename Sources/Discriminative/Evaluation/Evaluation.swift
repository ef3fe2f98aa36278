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
  private var reasons: [Int: String] = [:]

  private let skipsBad: Bool
  private let graph: Graph
  private let tokenizers: PipelineTokenizers
  private let images: ImageSource
  /// Nil for an item that is left out.
  private var keys: [String?]
  private let file: ResultsFile?
  private let shape: TermShape
  private var terms: [String: MatchingTerms]
  private var first: EvaluationWorker?

  /// Reads what is known already; the graph is planned only where the results cannot tell its layers.
  /// - Parameters:
  ///   - results: where terms are kept; in memory alone when nil.
  ///   - skipsBad: whether items with images that cannot be read are left out and counted.
  /// - Throws: `DataError` that names the item's file and line, or the file that cannot be used.
  public init(
    _ loaded: LoadedGraph, items: [EvaluationItem], images: ImageSource, options: EvaluationOptions,
    results: String? = nil, skipsBad: Bool = false
  ) throws {
    self.skipsBad = skipsBad
    graph = loaded.graph
    self.items = items
    self.images = images
    self.options = options
    let description = try PipelineDescription(from: graph)
    timesteps = try options.matching.timesteps(of: description)
    tokenizers = try PipelineTokenizers(description, of: loaded.graph, folder: loaded.assets)
    let key = try ItemKey(tokenizers, images)
    var reasons: [Int: String] = [:]
    keys = try items.enumerated().map { place, item in
      do { return try key.hex(item) } catch let error as DataError {
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
    let known = try results.flatMap { try ResultsFile.header(of: $0) }
    if known == nil {
      first = try EvaluationWorker(
        graph, tokenizers, options, options.shape, images, pool: ThreadPool(threads: options.threads))
    }
    let layers = known?.layers ?? first!.layers
    self.layers = layers
    choices = try options.choices(layers: layers, timesteps: timesteps)
    if let results {
      let counts = options.shape.hasHeads ? known.map { $0.heads ?? [] } ?? first!.headCounts : nil
      let wanted = try Evaluation.header(loaded, options, timesteps, layers, counts)
      let file = try ResultsFile(path: results, wanted: wanted)
      self.file = file
      headCounts = file.header.heads ?? []
      shape = file.header.shape
      terms = file.terms
    } else {
      file = nil
      headCounts = first!.headCounts ?? []
      shape = options.shape
      terms = [:]
    }
  }

  private static func header(
    _ loaded: LoadedGraph, _ options: EvaluationOptions, _ timesteps: [Int], _ layers: [String],
    _ heads: [Int]?
  ) throws -> ResultsHeader {
    let noise = options.matching.noise.map { noise in
      var hash = SHA256()
      hash.update("\(noise.dtype)\(noise.shape)")
      hash.update(UnsafeRawBufferPointer(start: noise.pointer, count: noise.byteCount))
      return hash.hex
    }
    return ResultsHeader(
      graph: try loaded.fileDigest(), weights: WeightDigest.hex(of: loaded.graph), timesteps: timesteps,
      seed: options.matching.seed, noise: noise, latent: options.matching.latent.rawValue,
      officialCompat: options.matching.officialCompat, score: (options.matching.terms ?? .both).rawValue,
      shape: options.shape, layers: layers, heads: heads)
  }

  /// Places of the items whose terms are not there yet, one for each key.
  public var pending: [Int] {
    var seen = Set(terms.keys)
    return items.indices.filter { keys[$0].map { seen.insert($0).inserted } ?? false }
  }

  /// Progress of a run.
  public struct Progress: Sendable {
    /// Items, those that were there before included.
    public var items, allItems: Int
    /// Positions of the sweeps of this run: pairs times timesteps.
    public var passes, allPasses: Int
  }

  /// Passes of the UNet that an item takes.
  private func passes(_ place: Int) -> Int {
    let item = items[place]
    let captions = item.texts.count + (shape.hasEmptyCaption ? 1 : 0)
    let pureNoise = shape.hasPureNoise ? item.texts.count + (options.matching.officialCompat ? 1 : 0) : 0
    return (item.images.count * captions + pureNoise) * timesteps.count
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
  /// - Parameter seconds: after so many it ends, as soon as it has passes to tell of.
  public func estimate(seconds: Double = 10) throws -> Estimate {
    let pending = pending
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
      items: pending.count, passes: pending.reduce(0) { $0 + passes($1) },
      passesPerSecond: rate > 0 ? rate : nil, seconds: rate > 0 && pass > 0 ? work / (rate * pass) : nil,
      peakBytes: workers.reduce(0) { $0 + $1.peakBytes }, weightBytes: workers[0].constantBytes)
  }

  /// Computes the terms that are missing, several items beside each other where the model is small.
  ///
  /// Every item is kept as soon as it and those before it are done. Terms do not depend on the number of threads.
  /// - Parameter progress: told after each item, from any thread but one at a time.
  /// - Throws: `DataError` with the item's place; what was computed until then is kept.
  public func run(progress: ((Progress) -> Void)? = nil) throws {
    let pending = pending
    guard !pending.isEmpty else { return }
    let workers = try makeWorkers(pending.count)
    workerCount = workers.count
    let budget = options.matching.memoryBudget / workers.count
    let queue = EvaluationQueue(workers) { [items, keys, file] place, terms in
      try file?.append(items[pending[place]], key: keys[pending[place]]!, terms)
    }
    var state = Progress(
      items: items.count - bad.count - pending.count, allItems: items.count - bad.count, passes: 0,
      allPasses: pending.reduce(0) { $0 + passes($1) })
    progress?(state)
    let lock = NSLock()
    var unreadable: [Int: String] = [:]
    try queue.run(pending.count) { [items, skipsBad] place, worker in
      let item = items[pending[place]]
      // Decoded before anything runs: a damaged image costs no passes.
      let pixels: [Tensor]
      do { pixels = try worker.pixels(of: item) } catch let error as DataError {
        guard skipsBad else { throw error.at(item.place) }
        lock.withLock { unreadable[place] = error.message }
        return nil
      }
      do { return try worker.terms(of: item, pixels, budget: budget) } catch let error as DataError {
        throw error.at(item.place)
      }
    } finished: { place, terms in
      if let terms {
        self.terms[keys[pending[place]]!] = terms
      } else {
        leaveOut(pending[place], lock.withLock { unreadable[place]! })
      }
      state.items += 1
      state.passes += passes(pending[place])
      progress?(state)
    }
    try file?.sync()
  }

  /// Leaves out every item with the images and captions of this one.
  private func leaveOut(_ place: Int, _ reason: String) {
    let key = keys[place]
    for other in items.indices where keys[other] == key {
      keys[other] = nil
      reasons[other] = reason
    }
  }

  /// The terms of an item, by its place; nil before `run` has been through.
  public func terms(of place: Int) -> MatchingTerms? { keys[place].flatMap { terms[$0] } }

  /// The table of all items.
  /// - Throws: `DataError` before `run` has been through.
  public func table() throws -> EvaluationTable {
    let answered = try zip(items, keys).compactMap {
      item, key -> (item: EvaluationItem, terms: MatchingTerms)? in
      guard let key else { return nil }
      guard let terms = terms[key] else { throw DataError("\(item.place): the item has not been run") }
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
    if first == nil || shape != options.shape {
      first = try EvaluationWorker(
        graph, tokenizers, options, shape, images, pool: ThreadPool(threads: options.threads))
    }
    let worker = first!
    let count = worker.workerCount(items: items, threads: options.threads)
    guard count > 1 else { return [worker] }
    return try (0..<count).map { _ in try EvaluationWorker(beside: worker, pool: ThreadPool(threads: 1)) }
  }
}
