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
  ///   - pixels: gives an image as `[1, 3, height, width]` in −1…1, each once unless memory runs short.
  /// - Throws: `DataError` for captions that are too long, timesteps out of range, noise of another shape, and
  ///   all that preparing the graph finds.
  public init(
    _ graph: Graph, tokenizerFolder: String, imageNames: [String], texts: [String],
    options: MatchingOptions, hooks: [any Hook] = [], pool: ThreadPool,
    pixels: @escaping (Int) throws -> Tensor
  ) throws {
    description = try PipelineDescription(from: graph)
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
    for spec in description.tokenizers {
      let tokenizer = try CLIPTokenizer(folder: "\(tokenizerFolder)/\(spec.folder)")
      tokens[spec.input] = try captions.map { caption in
        Tensor(try tokenizer.ids(for: caption, length: spec.maxLength), shape: [1, spec.maxLength])
      }
    }
    self.tokens = tokens

    let planned = try MatchingPlan(
      graph, description, options, hooks: hooks, pool: pool)
    score = planned.score
    plan = planned.plan
  }

  /// The extents of the sweep, the empty caption included.
  public var counts: [Axis: Int] {
    [
      .image: imageNames.count, .timestep: timesteps.count,
      .text: texts.count + (options.needsEmptyCaption ? 1 : 0),
    ]
  }

  /// Scores every pair.
  /// - Parameter progress: told the number of finished and of all positions.
  public func run(progress: ((Int, Int) -> Void)? = nil) throws -> MatchingResult {
    let grid = texts.count + (options.needsEmptyCaption ? 1 : 0)
    let total = imageNames.count * timesteps.count * grid
    var done = 0
    var attention = zeros(grid)
    var errors = zeros(grid)
    let run = SweepRun(plan, counts: counts, budget: options.memoryBudget, feed: feed)
    lastRun = run
    progress?(0, total)
    try run.run { position, outputs in
      let image = position[.image]!
      let step = position[.timestep]!
      let text = position[.text]!
      if options.needsAttention {
        attention[image][text][step] = try attentionTerm(position)
      }
      if options.needsBias, let estimate = outputs[options.estimateName] {
        errors[image][text][step] = try MatchingJob.distance(
          noise.rows(step..<step + 1), estimate.converted(to: .float32))
      }
      done += 1
      progress?(done, total)
    }
    return assemble(attention, errors)
  }

  /// s_l of a position of the grid that `run` has been through, for each layer of `score`; the empty caption's
  /// index is the number of texts.
  public func layerScores(image: Int, text: Int, timestep: Int) throws -> [Double] {
    try score.layerScores(at: SweepPosition([.image: image, .text: text, .timestep: timestep]))
      .map { $0[0] }
  }

  private func zeros(_ texts: Int) -> [[[Double]]] {
    let row = [Double](repeating: 0, count: timesteps.count)
    return Array(repeating: Array(repeating: row, count: texts), count: imageNames.count)
  }

  private func attentionTerm(_ position: SweepPosition) throws -> Double {
    let layers = try score.layerScores(at: position)
    return layers.reduce(0) { $0 + $1[0] } / Double(layers.count)
  }

  private func feed(_ input: String, _ position: SweepPosition) throws -> Tensor {
    switch input {
    case "pixel_values": return try pixels(position[.image]!)
    case "timestep": return Tensor([Int64(timesteps[position[.timestep]!])], shape: [1])
    case "noise":
      let step = position[.timestep]!
      return noise.rows(step..<step + 1)
    case "time_ids":
      return Tensor((description.timeIDs ?? []).map { Float($0) }, shape: [1, 6])
    case SampleLatent.input:
      let image = position[.image]!
      return posteriorNoise!.rows(image..<image + 1)
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

  private func assemble(_ attention: [[[Double]]], _ errors: [[[Double]]]) -> MatchingResult {
    let empty = texts.count
    func each(_ body: (Int, Int, Int) -> Double) -> [[[Double]]] {
      imageNames.indices.map { image in
        texts.indices.map { text in timesteps.indices.map { body(image, text, $0) } }
      }
    }
    var attentionTerm: [[[Double]]]?
    if options.needsAttention {
      attentionTerm = each { image, text, step in
        let own = attention[image][text][step]
        return options.officialCompat ? (own + attention[image][empty][step]) / 2 : own
      }
    }
    var biasTerm: [[[Double]]]?
    if options.needsBias {
      biasTerm = each { image, text, step in errors[image][empty][step] - errors[image][text][step] }
    }
    return MatchingResult(
      images: imageNames, texts: texts, timesteps: timesteps, layers: score.layers.map(\.name),
      attention: attentionTerm, bias: biasTerm)
  }
}
