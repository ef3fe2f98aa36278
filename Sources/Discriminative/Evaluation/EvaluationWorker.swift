import Foundation
import GraphIR
import Interpreter

/// Computes the terms of one item after the other. Workers of one evaluation share graph and constants, and run
/// beside each other.
final class EvaluationWorker {
  private let setup: MatchingSetup
  private let shape: TermShape
  /// One for each variant.
  private let hooks: [AttentionScore]
  /// Reads attention heads, where something asks for them.
  private let heads: AttentionHeads?
  let images: ImageSource

  /// - Throws: `DataError` when the graph lacks what the terms need.
  init(
    _ graph: Graph, _ tokenizers: PipelineTokenizers, _ options: EvaluationOptions, _ shape: TermShape,
    _ images: ImageSource, pool: ThreadPool
  ) throws {
    self.shape = shape
    self.images = images
    hooks = shape.variants.map {
      AttentionScore(selection: .all, pooling: $0.pooling, positions: $0.positions)
    }
    heads = shape.hasHeads ? AttentionHeads(selection: .all) : nil
    var matching = options.matching
    matching.values = shape.values
    matching.layers = .all
    matching.normalize = .none
    matching.baselines = []
    if shape.hasEmptyCaption { matching.baselines.insert(.emptyCaption) }
    if shape.hasPureNoise { matching.baselines.insert(.noise) }
    setup = try MatchingSetup(
      graph, tokenizers, matching, score: hooks.first,
      hooks: Array(hooks.dropFirst()) as [any Hook] + (heads.map { [$0] } ?? []), pool: pool)
  }

  /// A worker that runs beside another.
  init(beside other: EvaluationWorker, pool: ThreadPool) throws {
    shape = other.shape
    images = other.images
    setup = try MatchingSetup(beside: other.setup, pool: pool)
    hooks = setup.hooks.compactMap { $0 as? AttentionScore }
    heads = setup.hooks.lazy.compactMap { $0 as? AttentionHeads }.first
  }

  var timesteps: [Int] { setup.timesteps }
  var layers: [String] { (hooks.first?.layers ?? heads?.layers ?? []).map(\.name) }
  /// How many attention heads each layer has, where they are read.
  var headCounts: [Int]? { heads?.counts }
  /// See `MatchingSetup`.
  func workerCount(items: Int, threads: Int) -> Int { setup.workerCount(items: items, threads: threads) }

  /// An item's images as the model takes them.
  /// - Throws: `DataError` without the item's place when one cannot be read.
  func pixels(of item: EvaluationItem) throws -> [Tensor] {
    let size = setup.description.imageSize
    return try item.images.map { try images.image($0).tensor(width: size, height: size) }
  }

  /// - Parameter pixels: of the item's images.
  /// - Throws: `DataError` without the item's place.
  func terms(of item: EvaluationItem, _ pixels: [Tensor], budget: Int) throws -> MatchingTerms {
    let job = try job(item, pixels, budget: budget)
    _ = try job.run()
    return try gather(job, images: item.images.count, texts: item.texts.count)
  }

  /// Bytes that a run takes beside the weights, and those of the weights.
  var peakBytes: Int { setup.plan.peakBytes }
  var constantBytes: Int { setup.plan.stages.reduce(0) { $0 + $1.plan.constantBytes } }

  /// Multiply-adds of an item's run, all stages, and of one pass of the UNet.
  func work(of item: EvaluationItem) -> (all: Double, pass: Double) {
    let counts: [Axis: Int] = [
      .image: item.images.count + (shape.hasPureNoise ? 1 : 0),
      .text: item.texts.count + (shape.hasEmptyCaption ? 1 : 0), .timestep: setup.timesteps.count,
    ]
    let all = setup.plan.stages.reduce(0.0) {
      $0 + Double($1.plan.multiplyAdds) * Double(setup.plan.runs($1, counts: counts))
    }
    let pass = setup.plan.stages.first { $0.axes == setup.plan.order }?.plan.multiplyAdds ?? 0
    return (all, Double(pass))
  }

  /// Runs an item until `stop` says so, or a little longer: there have to be passes to tell of.
  /// - Returns: passes, and the seconds that they took; the first ones, with what comes before them, are left out.
  func time(
    _ item: EvaluationItem, _ pixels: [Tensor], budget: Int, until stop: @escaping () -> Bool
  ) throws -> (passes: Int, seconds: Double) {
    struct Enough: Error {}
    // Captions that ran together are told one right after the other: what counts is how many there were when a longer
    // pause began, and when it ended.
    var (last, start): (Date?, Date?)
    var (all, first, passes) = (0, 0, 0)
    var seconds = 0.0
    var begin: Date?
    do {
      _ = try job(item, pixels, budget: budget).run { done, _ in
        guard done > 0 else { return }
        let now = Date()
        all = done
        begin = begin ?? now
        if let last, now.timeIntervalSince(last) > 0.003 {
          if let start {
            (passes, seconds) = (done - 1 - first, last.timeIntervalSince(start))
            if stop(), passes > 0 { throw Enough() }
          } else {
            (start, first) = (last, done - 1)
          }
        }
        last = now
      }
      // To the end.
      if let last, let from = start ?? begin {
        (passes, seconds) = (all - (start == nil ? 1 : first), last.timeIntervalSince(from))
      }
    } catch is Enough {}
    return (passes, seconds)
  }

  private func job(_ item: EvaluationItem, _ pixels: [Tensor], budget: Int) throws -> MatchingJob {
    try MatchingJob(
      setup, imageNames: item.images.map(\.path), texts: item.texts, memoryBudget: budget,
      pixels: { pixels[$0] })
  }

  private func gather(_ job: MatchingJob, images: Int, texts: Int) throws -> MatchingTerms {
    var result = MatchingTerms(
      images: images, texts: texts, timesteps: timesteps.count, layers: layers.count)
    if shape.hasErrors {
      var errors = TermGrid([images, texts + 1, timesteps.count])
      errors.values = Array(job.errors.joined().joined())
      result.errors = errors
    }
    if let heads { result.heads = try gather(heads, images, texts) }
    for (name, value) in job.keptValues() { result.values[name] = KeptValue(tensor: value) }
    for (variant, hook) in zip(shape.variants, hooks) {
      func read(_ image: Int, _ text: Int, _ step: Int, of caption: Int) throws -> [Double] {
        let position = SweepPosition([.image: image, .text: text, .timestep: step])
        return try hook.layerScores(at: position, positionsOf: caption).map { $0[0] }
      }
      func grid(_ extents: [Int], _ scores: (Int, Int, Int) throws -> [Double]) rethrows -> TermGrid {
        var grid = TermGrid(extents)
        var place = 0
        for image in 0..<extents[0] {
          for text in 0..<extents[1] {
            for step in 0..<extents[2] {
              for score in try scores(image, text, step) {
                grid.values[place] = score
                place += 1
              }
            }
          }
        }
        return grid
      }
      let (steps, layers) = (timesteps.count, result.layers)
      result.attention[variant] = try grid([images, texts, steps, layers]) {
        try read($0, $1, $2, of: $1)
      }
      if shape.hasEmptyCaption {
        result.emptyCaption[variant] = try grid(result.emptyExtents(variant)) {
          try read($0, texts, $2, of: $1)
        }
      }
      if shape.hasPureNoise {
        result.pureNoise[variant] = try grid([1, texts, steps, layers]) { _, text, step in
          let own = try read(images, text, step, of: text)
          guard setup.options.officialCompat else { return own }
          return zip(own, try read(images, texts, step, of: text)).map { ($0 + $1) / 2 }
        }
      }
    }
    return result
  }

  private func gather(_ heads: AttentionHeads, _ images: Int, _ texts: Int) throws -> TermGrid {
    var grid = TermGrid([images, texts, timesteps.count, heads.counts.reduce(0, +)])
    var place = 0
    for image in 0..<images {
      for text in 0..<texts {
        for step in timesteps.indices {
          let position = SweepPosition([.image: image, .text: text, .timestep: step])
          for mean in try heads.means(at: position).joined() {
            grid.values[place] = mean
            place += 1
          }
        }
      }
    }
    return grid
  }
}
