import Diffusion
import GraphIR
import Interpreter
import Operators
import Rewrites

/// The three parts of a pipeline graph that make an image, cut out and planned: texts to states, noisy latents
/// to the model's output, clean latents to pixels.
struct GenerationPlans {
  /// Token ids to `encoder_hidden_states` and, for SDXL, `pooled_text`.
  let encoder: Plan
  /// `noisy_latent`, `timestep` and texts to `noise_pred`, swept over timesteps and, inside, texts: what
  /// depends on texts alone is computed once, what depends on none of them once a step.
  let denoiser: SweepPlan
  /// `decoder_latent` to `image`.
  let decoder: Plan
  /// The element type of the denoiser's input `timestep`.
  private let timestepType: DType

  /// - Parameters:
  ///   - texts: types of the inputs that come from a caption.
  ///   - hasWholeTimesteps: whether every timestep is a whole number.
  /// - Throws: `DataError` when the graph lacks a part or cannot have this size.
  init(
    _ graph: Graph, _ description: PipelineDescription, texts: [String: TensorType], latentShape: [Int],
    hasWholeTimesteps: Bool, pool: ThreadPool
  ) throws {
    let isXL = description.kind == .sdxl
    let states = ["encoder_hidden_states"] + (isXL ? ["pooled_text"] : [])
    let names = graph.valueNames
    for name in states + ["noisy_latent", "timestep", "noise_pred", "decoder_latent", "image"]
    where !names.contains(name) {
      throw DataError("the graph has no value '\(name)', which making images needs")
    }
    func prepare(_ graph: Graph, _ inputs: [String: TensorType], _ outputs: [String]) throws -> Preparation {
      try Preparation(
        graph, .standard, inputs: inputs, outputs: outputs,
        rewrites: [RuleSet.recognition, RuleSet.fusion], pool: pool)
    }

    let text = try prepare(graph, texts, states)
    encoder = try Plan(text)

    let latent = TensorType(.float32, latentShape)
    timestepType = hasWholeTimesteps ? .int64 : .float32
    var inputs = ["noisy_latent": latent, "timestep": TensorType(timestepType, [1])]
    var axes: [String: Axis] = ["noisy_latent": .timestep, "timestep": .timestep]
    for name in states {
      inputs[name] = text.types[name]
      axes[name] = .text
    }
    if isXL { inputs["time_ids"] = TensorType(.float32, [1, 6]) }
    var model = graph.sliced(to: ["noise_pred"], given: Set(inputs.keys))
    do {
      if !hasWholeTimesteps { model = try RealTimestep().apply(model) }
      let used = Set(model.inputs.map(\.name))
      let preparation = try prepare(model, inputs.filter { used.contains($0.key) }, ["noise_pred"])
      denoiser = try SweepPlan(
        preparation, axes: axes.filter { used.contains($0.key) }, order: [.timestep, .text])
    } catch let error as DataError where !hasWholeTimesteps {
      throw error.at("with timesteps between whole numbers (--sampler ddim has none)")
    }
    decoder = try Plan(prepare(graph, ["decoder_latent": latent], ["image"]))
  }

  /// A timestep as the denoiser takes it, `[1]`.
  func timestep(_ value: Float) -> Tensor {
    timestepType == .int64 ? Tensor([Int64(value)], shape: [1]) : Tensor([value], shape: [1])
  }
}
