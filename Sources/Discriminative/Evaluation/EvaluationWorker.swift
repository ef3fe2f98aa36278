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

  /// What passes of an item leave, and the values that heads read.
  struct Output {
    var records: [TermRecord] = []
    var values: [String: KeptValue] = [:]
  }

  /// Runs an item, or some of its passes.
  /// - Parameters:
  ///   - pixels: of the item's images.
  ///   - passes: those to run; values are kept of all passes only.
  /// - Throws: `DataError` without the item's place.
  func run(
    _ item: EvaluationItem, _ identity: ItemIdentity, _ layout: TermLayout, passes: Set<TermLayout.Pass>,
    _ pixels: [Tensor], budget: Int
  ) throws -> Output {
    let job = try job(item, pixels, budget: budget)
    let isWhole = passes.count == layout.passes(identity).count
    if !isWhole {
      job.skips = { image, text, step in
        !passes.contains(TermLayout.Pass(image: image, text: text, step: step))
      }
    }
    _ = try job.run()
    var output = Output()
    for (name, value) in job.keptValues() { output.values[name] = KeptValue(tensor: value) }
    for pass in isWhole ? layout.passes(identity) : layout.passes(identity).filter(passes.contains) {
      for yield in layout.yields(identity, image: pass.image, text: pass.text) {
        let place = identity.captions.firstIndex(of: yield.caption)
        output.records.append(
          TermRecord(
            image: yield.image, caption: yield.caption, text: place.map { item.texts[$0] } ?? "",
            place: TermPlace(step: pass.step, quantity: yield.quantity),
            values: try read(yield, pass, of: job)))
      }
    }
    return output
  }

  private func read(_ yield: TermLayout.Yield, _ pass: TermLayout.Pass, of job: MatchingJob) throws
    -> [Double]
  {
    let position = SweepPosition([.image: pass.image, .text: pass.text, .timestep: pass.step])
    switch yield.quantity {
    case .error, .rawError: return [job.errors[pass.image][pass.text][pass.step]]
    case .heads: return Array(try heads!.means(at: position).joined())
    case .attention(let variant), .emptyCaption(let variant):
      let hook = hooks[shape.variants.firstIndex(of: variant)!]
      return try hook.layerScores(at: position, positionsOf: yield.positionsOf).map { $0[0] }
    }
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
}
