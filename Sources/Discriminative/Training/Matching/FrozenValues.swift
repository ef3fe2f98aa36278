import Diffusion
import GraphIR
import Interpreter
import Operators
import Rewrites

/// What training runs see again and again and nothing learned changes: latents of images, states of captions.
/// Each is computed once and kept, in a file too where there is one.
final class FrozenValues {
  private let latentPlan: Plan
  private let textPlan: Plan?
  private let tokenizers: PipelineTokenizers
  private let images: ImageSource
  private let size: Int
  private let file: FrozenFile?
  private let latentType: TensorType
  private var latents: [ImageReference: Tensor] = [:]
  private var texts: [String: [String: Tensor]] = [:]

  /// The values that stand for a caption: its ids, or where the text encoder learns nothing what the UNet reads.
  let textInputs: [(name: String, type: TensorType)]

  /// How many latents and captions were computed: neither in memory nor in the file.
  private(set) var computedCount = 0

  /// - Parameters:
  ///   - graph: the pipeline with its adapter.
  ///   - learned: initializers that change.
  ///   - file: keeps the values.
  init(
    _ graph: Graph, _ description: PipelineDescription, _ tokenizers: PipelineTokenizers,
    _ images: ImageSource,
    learned: Set<String>, file: FrozenFile? = nil, pool: ThreadPool
  ) throws {
    self.file = file
    self.tokenizers = tokenizers
    self.images = images
    size = description.imageSize
    let rewrites: [any GraphRewrite] = [RuleSet.recognition, RuleSet.fusion]
    latentPlan = try Plan(
      Preparation(
        graph, .standard, inputs: ["pixel_values": TensorType(.float32, [1, 3, .known(size), .known(size)])],
        outputs: ["latent"], rewrites: rewrites, pool: pool))
    let extent = description.imageSize / description.latentDownscale
    latentType = TensorType(
      .float32, [1, .known(description.latentChannels), .known(extent), .known(extent)])
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
    let key = try file.map { _ in
      var hash = SHA256()
      try images.hash(image, into: &hash)
      return "latent/\(hash.hex.prefix(32))"
    }
    if let key, let kept = try file?.tensor(key, latentType) {
      latents[image] = kept
      return kept
    }
    let pixels = try images.image(image).tensor(width: size, height: size)
    let latent = try latentPlan.run(["pixel_values": pixels])["latent"]!
    latents[image] = latent
    computedCount += 1
    if let key { try file?.add([(key, latent)]) }
    return latent
  }

  /// The values of `textInputs` for a caption, each with a leading axis of 1.
  func text(_ caption: String) throws -> [String: Tensor] {
    if let known = texts[caption] { return known }
    let ids = try tokenizers.ids(caption)
    let values =
      try textPlan.map { try states(ids, $0) } ?? ids.mapValues { Tensor($0, shape: [1, $0.count]) }
    texts[caption] = values
    return values
  }

  /// What the UNet reads for a caption.
  private func states(_ ids: [String: [Int64]], _ plan: Plan) throws -> [String: Tensor] {
    var hash = SHA256()
    for id in ids.sorted(by: { $0.key < $1.key }).flatMap(\.value) { hash.update(Int(id)) }
    let key = "text/\(hash.hex.prefix(32))"
    var kept: [String: Tensor] = [:]
    for (name, type) in textInputs { kept[name] = try file?.tensor("\(key)/\(name)", type) }
    if kept.count == textInputs.count { return kept }
    let values = try plan.run(ids.mapValues { Tensor($0, shape: [1, $0.count]) })
    computedCount += 1
    try file?.add(textInputs.map { (key: "\(key)/\($0.name)", tensor: values[$0.name]!) })
    return values
  }

  /// Writes to the file what it lacks.
  func save() throws { try file?.write() }
}
