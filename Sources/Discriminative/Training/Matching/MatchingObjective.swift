import Diffusion
import GraphIR
import Interpreter
import Operators
import OrderedCollections
import Rewrites

/// The loss of a pipeline with an adapter in it, and its gradient by what the adapter learns.
///
/// Every run is of one graph: the pipeline, the score and loss of `ScoreNodes`, and the nodes that `Gradient` adds.
/// Rows of a run are pairs of images and captions, each with its noise level and noise. Runs of other shapes (more
/// candidates, other rows) are planned when they first come up.
public final class MatchingObjective: TrainingObjective {
  public let parameters: OrderedDictionary<String, Tensor>
  public let description: PipelineDescription

  private let graph: Graph
  private let options: MatchingOptions
  private let loss: TrainingLoss
  private let rowLimit: Int
  private let pool: ThreadPool
  private let rewrites: [any GraphRewrite]
  private let frozen: FrozenValues
  private let latentShape: [Int]
  private var plans: [PlanKey: Plan] = [:]

  private struct PlanKey: Hashable {
    let layout: ScoreLayout
    let hasGradients: Bool
  }

  /// - Parameters:
  ///   - adapted: the pipeline with an adapter.
  ///   - options: terms and layers of the score.
  ///   - rowLimit: pairs of one run, which its memory grows with; nil leaves it to the model's size.
  ///   - rewrites: applied after the gradient, such as recomputation.
  ///   - cache: a file that keeps latents and, where no text encoder learns, what the UNet reads of captions.
  ///   - model: digests that tell the model apart, for the cache.
  /// - Throws: `DataError` when the graph is no pipeline, and what planning finds; `UsageError` for options that
  ///   cannot be learned through.
  public init(
    _ adapted: AdaptedGraph, _ tokenizers: PipelineTokenizers, _ images: ImageSource,
    _ options: MatchingOptions,
    _ loss: TrainingLoss, rowLimit: Int? = nil, rewrites: [any GraphRewrite] = [], cache: String? = nil,
    model: [String: String] = [:], pool: ThreadPool
  ) throws {
    guard options.latent == .mean else {
      throw UsageError("--latent \(options.latent.rawValue): learning takes the mean of the posterior")
    }
    graph = adapted.graph
    description = try PipelineDescription(from: graph)
    self.options = options
    self.loss = loss
    self.pool = pool
    self.rewrites = rewrites
    var parameters: OrderedDictionary<String, Tensor> = [:]
    for tensor in adapted.learned {
      guard let value = graph.initializers[tensor.name]?.tensor else {
        throw DataError("the adapted graph has no values for '\(tensor.name)'")
      }
      parameters[tensor.name] = value
    }
    self.parameters = parameters
    let extent = description.imageSize / description.latentDownscale
    latentShape = [description.latentChannels, extent, extent]
    // Sixty-four small latents of 16 × 16, one of 64 × 64 beside its rival.
    self.rowLimit = rowLimit ?? max(2, 64 * 256 / (extent * extent) / 2)
    _ = try ScoreNodes(ScoreLayout(examples: 1, candidates: 2), loss, options)
    frozen = try FrozenValues(
      graph, description, tokenizers, images, learned: Set(parameters.keys),
      file: try cache.map { try FrozenFile(path: $0, model: model) }, pool: pool)
  }

  /// How many latents and captions were computed so far.
  public var computedCount: Int { frozen.computedCount }

  /// Writes to the cache what it lacks.
  public func saveCache() throws { try frozen.save() }

  public func evaluate(
    _ batch: [TrainingExample], draws: [StepDraw], parameters: [String: Tensor], wantsGradients: Bool
  ) throws -> BatchResult {
    var examples = [BatchResult.Example?](repeating: nil, count: batch.count)
    var gradients: [String: Tensor] = [:]
    for group in groups(batch, draws) {
      let first = group[0]
      let layout = layout(batch[first], draws[first], examples: group.count)
      let plan = try plan(PlanKey(layout: layout, hasGradients: wantsGradients))
      var inputs = try feeds(group.map { (batch[$0], draws[$0]) }, layout)
      for name in self.parameters.keys { inputs[name] = parameters[name] }
      let results = try plan.run(
        inputs.filter { entry in plan.graph.inputs.contains { $0.name == entry.key } })
      let scores = results[ScoreNodes.scores]!.array(of: Float.self)
      let losses = results[ScoreNodes.losses]!.array(of: Float.self)
      for (place, example) in group.enumerated() {
        let own = scores[place * layout.candidates..<(place + 1) * layout.candidates]
        examples[example] = .init(loss: Double(losses[place]), scores: own.map { Double($0) })
      }
      guard wantsGradients else { continue }
      let share = Float(group.count) / Float(batch.count)
      let own = Dictionary(
        uniqueKeysWithValues: self.parameters.keys.map { ($0, results[Gradient.name($0)]!) })
      Gradients.add(own, share: share, to: &gradients)
    }
    return BatchResult(examples: examples.map { $0! }, gradients: gradients)
  }

  private func layout(_ example: TrainingExample, _ draw: StepDraw, examples: Int) -> ScoreLayout {
    let isOneImage = Set(example.pairs.map(\.image)).count == 1
    return ScoreLayout(
      examples: examples, candidates: example.pairs.count, timesteps: draw.timesteps.count,
      hasEmptyRows: !isOneImage && options.needsBias)
  }

  /// Places in the batch of examples that are run together: of one layout, in runs that hold the row limit. Their
  /// numbers are powers of two, so that few graphs are planned whatever batches are made of.
  private func groups(_ batch: [TrainingExample], _ draws: [StepDraw]) -> [[Int]] {
    var order: [ScoreLayout] = []
    var groups: [ScoreLayout: [Int]] = [:]
    for place in batch.indices {
      let layout = layout(batch[place], draws[place], examples: 1)
      if groups[layout] == nil { order.append(layout) }
      groups[layout, default: []].append(place)
    }
    return order.flatMap { layout in
      let limit = max(1, rowLimit / layout.rows)
      var left = groups[layout]![...]
      var runs: [[Int]] = []
      while !left.isEmpty {
        let most = min(left.count, limit)
        let size = 1 << (Int.bitWidth - 1 - most.leadingZeroBitCount)
        runs.append(Array(left.prefix(size)))
        left = left.dropFirst(size)
      }
      return runs
    }
  }

  private func plan(_ key: PlanKey) throws -> Plan {
    if let known = plans[key] { return known }
    let rows = Dim.known(key.layout.rows)
    let latent = TensorType(.float32, [rows] + latentShape.map { .known($0) })
    var types = ["latent": latent, "noise": latent, "timestep": TensorType(.int64, [rows])]
    for (name, type) in frozen.textInputs {
      types[name] = TensorType(type.dtype, [rows] + type.shape!.dropFirst())
    }
    if description.timeIDs != nil { types["time_ids"] = TensorType(.float32, [rows, 6]) }
    for (name, tensor) in parameters { types[name] = TensorType(tensor.dtype, tensor.shape) }
    var chain: [any GraphRewrite] = [
      RuleSet.recognition, try ScoreNodes(key.layout, loss, options), RuleSet.fusion,
    ]
    if key.hasGradients { chain.append(Gradient(of: ScoreNodes.loss, wrt: Array(parameters.keys))) }
    let plan = try Plan(
      Preparation(graph, .standard, inputs: types, outputs: [], rewrites: chain + rewrites, pool: pool))
    plans[key] = plan
    return plan
  }

  /// The inputs of a run, a row for each pair and noise level.
  private func feeds(_ group: [(TrainingExample, StepDraw)], _ layout: ScoreLayout) throws -> [String: Tensor]
  {
    var timesteps: [Int64] = []
    var rows: [String: [Tensor]] = [:]
    for isEmpty in layout.hasEmptyRows ? [false, true] : [false] {
      for (example, draw) in group {
        var generator = TorchGenerator(seed: draw.noiseSeed)
        let noise = generator.randn([draw.timesteps.count] + latentShape)
        for (image, text) in example.candidates {
          let latent = try frozen.latent(image)
          let states = try frozen.text(isEmpty ? "" : text)
          for (step, timestep) in draw.timesteps.enumerated() {
            timesteps.append(Int64(timestep))
            rows["latent", default: []].append(latent)
            rows["noise", default: []].append(noise.rows(step..<step + 1))
            for (name, value) in states { rows[name, default: []].append(value) }
          }
        }
      }
    }
    var result = rows.mapValues(MatchingObjective.stacked)
    result["timestep"] = Tensor(timesteps, shape: [timesteps.count])
    if let ids = description.timeIDs {
      let row = ids.map { Float($0) }
      result["time_ids"] = Tensor(
        Array(repeatElement(row, count: timesteps.count).joined()), shape: [timesteps.count, 6])
    }
    return result
  }

  /// Tensors of one type and shape, one after the other along the first axis.
  private static func stacked(_ tensors: [Tensor]) -> Tensor {
    let first = tensors[0]
    let result = Tensor(first.dtype, [first.shape[0] * tensors.count] + first.shape.dropFirst())
    for (place, tensor) in tensors.enumerated() {
      (result.pointer + place * first.byteCount).copyMemory(from: tensor.pointer, byteCount: first.byteCount)
    }
    return result
  }
}
