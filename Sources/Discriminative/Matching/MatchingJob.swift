import Diffusion
import Foundation
import GraphIR
import Interpreter
import Operators
import Rewrites

/// Images × captions × timesteps through a pipeline graph: the DSD score of every pair.
///
/// attention(i,c,t) is the mean over the selected layers of s_l, bias(i,c,t) = ‖ε − ε̂(z_t, ∅)‖₂ −
/// ‖ε − ε̂(z_t, c)‖₂, and score(i,c) the mean over t of their sum.
public final class MatchingJob {
  public let setup: MatchingSetup
  public let options: MatchingOptions
  public let texts: [String]
  public let imageNames: [String]
  /// Counts how often each stage ran; set by `run` where one worker went through all images.
  public private(set) var lastRun: SweepRun?
  /// How many images were gone through beside each other; set by `run`.
  public private(set) var workerCount = 1
  /// ‖ε − ε̂‖₂ `[image][text, the empty caption last][timestep]`; set by `run` when the bias was asked for.
  public private(set) var errors: [[[Double]]] = []

  /// Passes that `run` leaves out, by image, text and timestep as places in the grid; they have no results.
  var skips: ((Int, Int, Int) -> Bool)?

  /// Where `run` adds up the time of nodes, when it is set.
  public var profile: Profile?
  /// Ends `run` with a `CancellationError`, before the next node of the graph.
  public var cancellation: Cancellation?
  /// Seconds that `run` spent in going through the grid, those of all workers together.
  public private(set) var sweepSeconds = 0.0

  /// Which passes ran, `[image][text, the empty caption last][timestep]`; nil when all did.
  public private(set) var ran: [[[Bool]]]?

  /// The options' values, by pair and timestep.
  private var kept: [String: [Tensor]] = [:]

  /// What the positions of the sweep stand for.
  public let grid: MatchingGrid
  private let pixels: (Int) throws -> Tensor
  private let tokens: [String: [Tensor]]
  private let posteriorNoise: Tensor?
  /// Whether captions run together where the plan has it so: a setup's further jobs pay for what that takes to plan.
  private var batches = true

  public var description: PipelineDescription { setup.description }
  public var timesteps: [Int] { setup.timesteps }
  /// The graph cut into stages by axes.
  public var plan: SweepPlan { setup.plan }
  /// The hook that reads the attention term.
  public var score: AttentionScore { setup.score }

  /// Prepares the job: nothing but the plan is computed.
  /// - Parameters:
  ///   - graph: a pipeline with its weights bound.
  ///   - tokenizerFolder: where the pipeline's tokenizer folders are.
  ///   - imageNames: what the images are called in the result.
  ///   - hooks: more hooks that watch the run; other `AttentionScore`s among them are read by `attention`.
  ///   - pixels: gives an image as `[1, 3, height, width]` in −1…1, each once unless memory runs short.
  /// - Throws: `DataError` for captions that are too long, timesteps out of range, noise of another shape, and
  ///   all that preparing the graph finds; `UsageError` for options that do not go together.
  public convenience init(
    _ graph: Graph, tokenizerFolder: String, imageNames: [String], texts: [String],
    options: MatchingOptions, hooks: [any Hook] = [], pool: ThreadPool,
    pixels: @escaping (Int) throws -> Tensor
  ) throws {
    let description = try PipelineDescription(from: graph)
    try options.check(images: imageNames.count)
    let tokenizers = try PipelineTokenizers(description, of: graph, folder: tokenizerFolder)
    for caption in texts { try CLIPTokenizer.check(caption) }
    let grid = MatchingGrid(
      options, tokenizers, description, images: imageNames, texts: texts,
      timesteps: try options.timesteps(of: description))
    let setup = try MatchingSetup(graph, tokenizers, options, for: grid, hooks: hooks, pool: pool)
    try self.init(setup, options, grid, texts: texts, pixels: pixels)
    batches = isWorthBatches
  }

  private var isWorthBatches: Bool {
    options.batch != nil || counts.values.reduce(1, *) >= MatchingJob.manyPasses
  }

  /// So many passes are worth planning captions that run together.
  private static let manyPasses = 32

  /// The next job of a setup; an earlier one's results in hooks are gone.
  /// - Parameters:
  ///   - memoryBudget: bytes for values held between passes; the setup's own when nil.
  ///   - isOnly: whether captions run together only where one job by itself would have them so: its scores are then
  ///     those of such a job to the last bit.
  /// - Throws: `DataError` for captions that are too long, or that a hook refuses.
  public convenience init(
    _ setup: MatchingSetup, imageNames: [String], texts: [String], memoryBudget: Int? = nil,
    isOnly: Bool = false, pixels: @escaping (Int) throws -> Tensor
  ) throws {
    var options = setup.options
    if let memoryBudget { options.memoryBudget = memoryBudget }
    try options.check(images: imageNames.count)
    for caption in texts { try CLIPTokenizer.check(caption) }
    let grid = MatchingGrid(
      options, setup.tokenizers, setup.description, images: imageNames, texts: texts,
      timesteps: setup.timesteps)
    try setup.begin(grid)
    try self.init(setup, options, grid, texts: texts, pixels: pixels)
    if isOnly { batches = isWorthBatches }
  }

  private init(
    _ setup: MatchingSetup, _ options: MatchingOptions, _ grid: MatchingGrid, texts: [String],
    pixels: @escaping (Int) throws -> Tensor
  ) throws {
    self.setup = setup
    self.options = options
    self.grid = grid
    self.texts = texts
    self.pixels = pixels
    imageNames = grid.images
    posteriorNoise = setup.posteriorNoise(images: imageNames.count)
    var tokens: [String: [Tensor]] = [:]
    for caption in grid.captions {
      for (input, ids) in try setup.tokenizers.ids(caption.text) {
        tokens[input, default: []].append(Tensor(ids, shape: [1, ids.count]))
      }
    }
    self.tokens = tokens
  }

  /// The extents of the sweep, the empty caption and the image of pure noise included.
  public var counts: [Axis: Int] {
    [
      .image: imageNames.count + (grid.pureNoise == nil ? 0 : 1), .timestep: timesteps.count,
      .text: grid.captions.count,
    ]
  }

  /// Scores every pair.
  /// - Parameter progress: told the number of finished and of all positions; what it throws ends the run.
  public func run(progress: ((Int, Int) throws -> Void)? = nil) throws -> MatchingResult {
    // Nothing is told relative to the empty caption on pure noise but what official-compat averages.
    let skipsEmptyNoise = !options.officialCompat && grid.emptyCaption != nil && grid.pureNoise != nil
    let skipped = skipsEmptyNoise ? timesteps.count : 0
    let total = counts.values.reduce(1, *) - skipped
    var done = 0
    let row = [Double](repeating: 0, count: timesteps.count)
    errors = Array(repeating: Array(repeating: row, count: grid.captions.count), count: imageNames.count)
    kept = [:]
    try progress?(0, total)
    let workers = try makeWorkers()
    workerCount = max(workers.count, 1)
    let lock = NSLock()
    func visit(_ position: SweepPosition, _ outputs: [String: Tensor]) throws {
      let image = position[.image]!
      let step = position[.timestep]!
      let text = position[.text]!
      var error: Double?
      if options.needsBias, image < imageNames.count, let estimate = outputs[options.estimateName] {
        error = try MatchingJob.distance(setup.noise, step, estimate.converted(to: .float32))
      }
      try lock.withLock {
        if image < imageNames.count { ran?[image][text][step] = true }
        if let error { errors[image][text][step] = error }
        if image < imageNames.count, text < texts.count {
          try keep(outputs, (image * texts.count + text) * timesteps.count + step)
        }
        done += 1
        try progress?(done, total)
      }
    }
    func isLeftOut(_ position: SweepPosition) -> Bool {
      if skipsEmptyNoise && position[.image] == grid.pureNoise && position[.text] == grid.emptyCaption {
        return true
      }
      return skips?(position[.image]!, position[.text]!, position[.timestep]!) ?? false
    }
    var adaptive = try options.adaptive.map { try AdaptiveRun(self, errorRate: $0) }
    ran = nil
    if adaptive != nil || skips != nil {
      let passes = [Bool](repeating: false, count: timesteps.count)
      ran = Array(repeating: Array(repeating: passes, count: grid.captions.count), count: imageNames.count)
    }
    if workers.isEmpty {
      let run = SweepRun(plan, counts: counts, budget: options.memoryBudget, feed: feed)
      lastRun = run
      run.profile = profile
      run.cancellation = cancellation
      run.batches = batches
      let start = Date()
      defer { sweepSeconds = Date().timeIntervalSince(start) }
      try run.run(
        visiting: { axis, outer in
          guard axis == .timestep, let image = outer[.image] else { return nil }
          return try adaptive?.order(of: image)
        },
        skip: { position in
          if isLeftOut(position) { return true }
          guard try adaptive?.skips(position) ?? false else { return false }
          done += 1
          try progress?(done, total)
          return true
        }, visit: visit)
      try adaptive?.finish()
    } else {
      lastRun = nil
      try run(workers, skip: isLeftOut, visit: visit)
    }
    return MatchingResult(
      images: imageNames, texts: texts, timesteps: timesteps, layers: score.layers.map(\.name),
      options: options,
      attention: options.needsAttention ? try attention(of: score, normalize: options.normalize) : nil,
      bias: options.needsBias ? bias() : nil,
      elimination: adaptive.map { adaptive in
        MatchingResult.Adaptive(
          errorRate: adaptive.errorRate, passes: ran!.joined().joined().count { $0 }, allPasses: total,
          timesteps: ran!.map { $0.prefix(texts.count).map { $0.count { $0 } } }, alive: adaptive.alive)
      })
  }

  /// The score of a pair at a timestep that has been run, the empty caption's pass included.
  func score(image: Int, text: Int, timestep: Int) throws -> Double {
    var sum = 0.0
    if options.needsAttention {
      sum += try attentionTerm(of: score, nil, image, text, timestep)
      if options.normalize == .emptyCaption {
        sum -= try attention(score, nil, image, texts.count, timestep, of: text)
      }
    }
    if options.needsBias { sum += errors[image][texts.count][timestep] - errors[image][text][timestep] }
    return sum
  }

  /// Values kept for heads may take so many bytes.
  private static let keptLimit = 4 << 30

  private func keep(_ outputs: [String: Tensor], _ place: Int) throws {
    for name in options.values {
      let value = outputs[name]!
      guard value.dtype.isFloat, value.shape.first == 1 else {
        throw DataError(
          "the value '\(name)' is \(value.dtype)\(Shape.text(value.shape)), not floats of one pair")
      }
      let tensor = value.converted(to: .float32)
      let rows = texts.count * imageNames.count * timesteps.count
      guard rows <= MatchingJob.keptLimit / max(tensor.byteCount, 1) else {
        throw DataError("the value '\(name)' of \(rows) pairs and timesteps takes more than 4 GiB")
      }
      if kept[name] == nil { kept[name] = Array(repeating: tensor, count: rows) }
      kept[name]![place] = tensor
    }
  }

  /// The options' values of all pairs, image by image: `[pairs, timesteps, …]`.
  func keptValues() -> [(String, Tensor)] {
    options.values.compactMap { name in
      guard let rows = kept[name], let first = rows.first else { return nil }
      let pairs = imageNames.count * texts.count
      let joined = Tensor(.float32, [pairs, timesteps.count] + first.shape.dropFirst())
      for (place, row) in rows.enumerated() {
        (joined.pointer + place * first.byteCount).copyMemory(from: row.pointer, byteCount: row.byteCount)
      }
      return (name, joined)
    }
  }

  /// Setups beside this job's, one a thread; none where its own is used.
  private func makeWorkers() throws -> [MatchingSetup] {
    let count = setup.workerCount(items: counts[.image]!, threads: plan.preparation.pool.threadCount)
    guard count > 1, options.adaptive == nil, plan.order.first == .image else { return [] }
    return try (0..<count).map { _ in
      let worker = try MatchingSetup(beside: setup, pool: ThreadPool(threads: 1))
      try worker.begin(grid)
      return worker
    }
  }

  /// Goes through the grid with several workers; each takes the next image that none has begun.
  private func run(
    _ workers: [MatchingSetup], skip: (SweepPosition) -> Bool,
    visit: (SweepPosition, [String: Tensor]) throws -> Void
  ) throws {
    let images = counts[.image]!
    let (lock, feedLock) = (NSLock(), NSLock())
    var next = 0
    var failure: (any Error)?
    sweepSeconds = 0
    ThreadPool(threads: workers.count).forEach(workers.count) { number in
      var own = -1
      /// Whether an image is this worker's; asked for images in order.
      func takes(_ image: Int) -> Bool {
        while own < image {
          let taken = lock.withLock {
            defer { next += 1 }
            return failure == nil ? next : images
          }
          if taken >= images { own = images } else { own = taken }
        }
        return own == image
      }
      let run = SweepRun(
        workers[number].plan, counts: counts, budget: options.memoryBudget / workers.count
      ) { input, position in
        // Images come from outside, which need not be prepared for several threads.
        try input == MatchingJob.pixelInput
          ? feedLock.withLock { try self.feed(input, position) } : self.feed(input, position)
      }
      run.profile = profile.map { _ in Profile() }
      run.cancellation = cancellation
      run.batches = batches
      let start = Date()
      let result = Swift.Result { try run.run(skip: { !takes($0[.image]!) || skip($0) }, visit: visit) }
      lock.withLock {
        sweepSeconds += Date().timeIntervalSince(start)
        if let own = run.profile { profile!.add(own) }
        if case .failure(let error) = result, failure == nil { failure = error }
      }
    }
    if let failure { throw failure }
    for worker in workers {
      for (own, twin) in zip(setup.hooks, worker.hooks) { MatchingJob.absorb(own, twin) }
    }
  }

  private static func absorb(_ own: any Hook, _ twin: any Hook) {
    func take<H: TwinHook>(_ own: H) { if let twin = twin as? H { own.absorb(twin) } }
    if let own = own as? any TwinHook { take(own) }
  }

  private static let pixelInput = "pixel_values"

  private func feed(_ input: String, _ position: SweepPosition) throws -> Tensor {
    switch input {
    case Self.pixelInput:
      let image = position[.image]!
      let size = description.imageSize
      return image == grid.pureNoise ? .zeros(.float32, [1, 3, size, size]) : try pixels(image)
    case "timestep": return Tensor([Int64(timesteps[position[.timestep]!])], shape: [1])
    case "noise":
      let step = position[.timestep]!
      return setup.noise.rows(step..<step + 1)
    case "time_ids":
      return Tensor((description.timeIDs ?? []).map { Float($0) }, shape: [1, 6])
    case SampleLatent.input:
      let image = position[.image]!
      let noise = posteriorNoise!
      return image == grid.pureNoise
        ? .zeros(.float32, [1] + noise.shape.dropFirst()) : noise.rows(image..<image + 1)
    default:
      guard let list = tokens[input] else { throw DataError("the pipeline's input '\(input)' is not known") }
      return list[position[.text]!]
    }
  }

  /// ‖noise − estimate‖₂ of one row of the noise.
  static func distance(_ noise: Tensor, _ row: Int, _ estimate: Tensor) throws -> Double {
    let shape = [1] + noise.shape.dropFirst()
    guard estimate.shape == shape else {
      throw DataError("the noise estimate is \(Shape.text(estimate.shape)), the noise \(Shape.text(shape))")
    }
    return withExtendedLifetime((noise, estimate)) {
      let x = noise.pointer(as: Float.self) + row * estimate.count
      let y = estimate.pointer(as: Float.self)
      var sum = 0.0
      for i in 0..<estimate.count {
        let difference = Double(x[i]) - Double(y[i])
        sum += difference * difference
      }
      return sum.squareRoot()
    }
  }

  /// Whether a pass ran in the last run.
  func hasRun(_ image: Int, _ text: Int, _ timestep: Int) -> Bool { ran?[image][text][timestep] ?? true }

  /// `[image][text][timestep]`; not a number where the pass did not run.
  func bias() -> [[[Double]]] {
    imageNames.indices.map { image in
      texts.indices.map { text in
        timesteps.indices.map {
          hasRun(image, text, $0) ? errors[image][texts.count][$0] - errors[image][text][$0] : .nan
        }
      }
    }
  }
}
