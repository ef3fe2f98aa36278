import Diffusion
import GraphIR
import Interpreter
import Operators
import Rewrites

/// What training runs see again and again and nothing learned changes: latents of images, states of captions.
/// Each is computed once and kept.
final class FrozenValues {
  private let latentPlan: Plan
  private let textPlan: Plan?
  private let tokenizers: PipelineTokenizers
  private let images: ImageSource
  private let size: Int
  private var latents: [ImageReference: Tensor] = [:]
  private var texts: [String: [String: Tensor]] = [:]

  /// The values that stand for a caption: its ids, or where the text encoder learns nothing what the UNet reads.
  let textInputs: [(name: String, type: TensorType)]

  /// - Parameters:
  ///   - graph: the pipeline with its adapter.
  ///   - learned: initializers that change.
  init(
    _ graph: Graph, _ description: PipelineDescription, _ tokenizers: PipelineTokenizers,
    _ images: ImageSource,
    learned: Set<String>, pool: ThreadPool
  ) throws {
    self.tokenizers = tokenizers
    self.images = images
    size = description.imageSize
    let rewrites: [any GraphRewrite] = [RuleSet.recognition, RuleSet.fusion]
    latentPlan = try Plan(
      Preparation(
        graph, .standard, inputs: ["pixel_values": TensorType(.float32, [1, 3, .known(size), .known(size)])],
        outputs: ["latent"], rewrites: rewrites, pool: pool))
    let ids = description.tokenizers.map { ($0.input, TensorType(.int64, [1, .known($0.maxLength)])) }
    let states =
      ["encoder_hidden_states"] + (graph.outputs.contains { $0.name == "pooled_text" } ? ["pooled_text"] : [])
    let encoder = graph.sliced(to: states)
    guard learned.isDisjoint(with: encoder.initializers.keys) else {
      textPlan = nil
      textInputs = ids.map { (name: $0.0, type: $0.1) }
      return
    }
    let preparation = try Preparation(
      graph, .standard, inputs: Dictionary(uniqueKeysWithValues: ids), outputs: states, rewrites: rewrites,
      pool: pool)
    textPlan = try Plan(preparation)
    textInputs = states.map { (name: $0, type: preparation.types[$0]!) }
  }

  /// The scaled latent of an image, `[1, channels, height, width]`.
  func latent(_ image: ImageReference) throws -> Tensor {
    if let known = latents[image] { return known }
    let pixels = try images.image(image).tensor(width: size, height: size)
    let latent = try latentPlan.run(["pixel_values": pixels])["latent"]!
    latents[image] = latent
    return latent
  }

  /// The values of `textInputs` for a caption, each with a leading axis of 1.
  func text(_ caption: String) throws -> [String: Tensor] {
    if let known = texts[caption] { return known }
    var values = try tokenizers.ids(caption).mapValues { Tensor($0, shape: [1, $0.count]) }
    if let textPlan { values = try textPlan.run(values) }
    texts[caption] = values
    return values
  }
}
