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
  public let description: PipelineDescription
  public let options: MatchingOptions
  public let timesteps: [Int]
  public let texts: [String]
  public let imageNames: [String]
  /// The graph cut into stages by axes.
  public let plan: SweepPlan
  /// Counts how often each stage ran; set by `run`.
  public private(set) var lastRun: SweepRun?

  /// What the positions of the sweep stand for.
  public let grid: MatchingGrid
  /// The hook that reads the attention term.
  public let score: AttentionScore
  private let pixels: (Int) throws -> Tensor
  private let tokens: [String: [Tensor]]
  private let noise: Tensor
  private let posteriorNoise: Tensor?

  /// Prepares the job: nothing but the plan is computed.
  /// - Parameters:
  ///   - graph: a pipeline with its weights bound.
  ///   - tokenizerFolder: where the pipeline's tokenizer folders are.
  ///   - imageNames: what the images are called in the result.
  ///   - hooks: more hooks that watch the run; other `AttentionScore`s among them are read by `attention`.
  ///   - pixels: gives an image as `[1, 3, height, width]` in −1…1, each once unless memory runs short.
  /// - Throws: `DataError` for captions that are too long, timesteps out of range, noise of another shape, and
  ///   all that preparing the graph finds; `UsageError` for options that do not go together.
  public init(
    _ graph: Graph, tokenizerFolder: String, imageNames: [String], texts: [String],
    options: MatchingOptions, hooks: [any Hook] = [], pool: ThreadPool,
    pixels: @escaping (Int) throws -> Tensor
  ) throws {
    description = try PipelineDescription(from: graph)
    try options.check(images: imageNames.count)
    self.options = options
    self.texts = texts
    self.imageNames = imageNames
    self.pixels = pixels

    let trainTimesteps = description.scheduler.trainTimesteps
    guard options.timesteps != nil || options.samples <= trainTimesteps else {
      throw DataError(
        "--samples: \(options.samples) is too many, the schedule has \(trainTimesteps) noise levels")
    }
    timesteps = options.timesteps ?? MatchingOptions.spread(options.samples, over: trainTimesteps)
    for t in timesteps where t < 0 || t >= trainTimesteps {
      throw DataError("--timesteps: \(t) is out of range, the schedule has 0 to \(trainTimesteps - 1)")
    }

    let size = description.imageSize
    let latentSize = size / description.latentDownscale
    let latentShape = [description.latentChannels, latentSize, latentSize]
    var generator = TorchGenerator(seed: options.seed)
    let noiseShape = [timesteps.count] + latentShape
    let drawn = generator.randn(noiseShape)
    if let given = options.noise {
      guard given.dtype.isFloat, given.shape == noiseShape else {
        throw DataError(
          "--noise: is \(given.dtype)\(Shape.text(given.shape)), this job needs float32\(Shape.text(noiseShape))"
        )
      }
      noise = given.converted(to: .float32)
    } else {
      noise = drawn
    }

    posteriorNoise = options.latent == .sample ? generator.randn([imageNames.count] + latentShape) : nil

    let captions = texts + (options.needsEmptyCaption ? [""] : [])
    var tokens: [String: [Tensor]] = [:]
    var tokenizers: [(tokenizer: CLIPTokenizer, length: Int)] = []
    for spec in description.tokenizers {
      let tokenizer = try CLIPTokenizer(folder: "\(tokenizerFolder)/\(spec.folder)")
      tokenizers.append((tokenizer, spec.maxLength))
      tokens[spec.input] = try captions.map { caption in
        Tensor(try tokenizer.ids(for: caption, length: spec.maxLength), shape: [1, spec.maxLength])
      }
    }
    self.tokens = tokens

    grid = MatchingGrid(
      images: imageNames, captions: captions.map { CaptionTokens($0, tokenizers) }, timesteps: timesteps,
      emptyCaption: options.needsEmptyCaption ? texts.count : nil,
      pureNoise: options.needsPureNoise ? imageNames.count : nil)
    score = AttentionScore(
      selection: options.layers, pooling: options.pooling, positions: options.positions)
    for case let hook as any MatchingHook in [score] + hooks { try hook.willMatch(grid) }
    let pureNoise = grid.pureNoise.map { PureNoise(image: $0) }
    let ownHooks: [any Hook] = pureNoise.map { [$0] } ?? []
    plan = try MatchingPlan(
      graph, description, options, score: score, hooks: ownHooks + hooks, pool: pool
    ).plan
    try pureNoise?.checkSelection()
  }

  /// The extents of the sweep, the empty caption and the image of pure noise included.
  public var counts: [Axis: Int] {
    [
      .image: imageNames.count + (grid.pureNoise == nil ? 0 : 1), .timestep: timesteps.count,
      .text: grid.captions.count,
    ]
  }

  /// Scores every pair.
  /// - Parameter progress: told the number of finished and of all positions.
  public func run(progress: ((Int, Int) -> Void)? = nil) throws -> MatchingResult {
    // Nothing is told relative to the empty caption on pure noise but what official-compat averages.
    let skipsEmptyNoise = !options.officialCompat && grid.emptyCaption != nil && grid.pureNoise != nil
    let skipped = skipsEmptyNoise ? timesteps.count : 0
    let total = counts.values.reduce(1, *) - skipped
    var done = 0
    let row = [Double](repeating: 0, count: timesteps.count)
    var errors = Array(repeating: Array(repeating: row, count: grid.captions.count), count: imageNames.count)
    let run = SweepRun(plan, counts: counts, budget: options.memoryBudget, feed: feed)
    lastRun = run
    progress?(0, total)
    try run.run(
      skip: { [grid] in
        skipsEmptyNoise && $0[.image] == grid.pureNoise && $0[.text] == grid.emptyCaption
      },
      visit: { position, outputs in
        let image = position[.image]!
        let step = position[.timestep]!
        let text = position[.text]!
        if options.needsBias, image < imageNames.count, let estimate = outputs[options.estimateName] {
          errors[image][text][step] = try MatchingJob.distance(
            noise.rows(step..<step + 1), estimate.converted(to: .float32))
        }
        done += 1
        progress?(done, total)
      })
    return MatchingResult(
      images: imageNames, texts: texts, timesteps: timesteps, layers: score.layers.map(\.name),
      options: options,
      attention: options.needsAttention ? try attention(of: score, normalize: options.normalize) : nil,
      bias: options.needsBias ? bias(errors) : nil)
  }

  private func feed(_ input: String, _ position: SweepPosition) throws -> Tensor {
    switch input {
    case "pixel_values":
      let image = position[.image]!
      let size = description.imageSize
      return image == grid.pureNoise ? .zeros(.float32, [1, 3, size, size]) : try pixels(image)
    case "timestep": return Tensor([Int64(timesteps[position[.timestep]!])], shape: [1])
    case "noise":
      let step = position[.timestep]!
      return noise.rows(step..<step + 1)
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

  /// ‖noise − estimate‖₂
  static func distance(_ a: Tensor, _ b: Tensor) throws -> Double {
    guard a.shape == b.shape else {
      throw DataError("the noise estimate is \(Shape.text(b.shape)), the noise \(Shape.text(a.shape))")
    }
    let x = a.pointer(as: Float.self)
    let y = b.pointer(as: Float.self)
    var sum = 0.0
    for i in 0..<a.count {
      let difference = Double(x[i]) - Double(y[i])
      sum += difference * difference
    }
    return sum.squareRoot()
  }

  /// `[image][text][timestep]`
  private func bias(_ errors: [[[Double]]]) -> [[[Double]]] {
    imageNames.indices.map { image in
      texts.indices.map { text in
        timesteps.indices.map { errors[image][texts.count][$0] - errors[image][text][$0] }
      }
    }
  }
}
