import Diffusion
import Foundation
import GraphIR
import Interpreter

/// Text to image with a pipeline graph: captions are encoded, latents are denoised step by step from noise,
/// and the result is decoded. The same numbers as diffusers' `StableDiffusionPipeline` and
/// `StableDiffusionXLPipeline` compute in float32.
public final class GenerationJob {
  public let description: PipelineDescription
  public let options: GenerationOptions
  public let sampler: any Sampler
  /// `[1, channels, height, width]` of the latents.
  public let latentShape: [Int]

  private let plans: GenerationPlans
  private let tokenizers: PipelineTokenizers
  private let timeIDs: Tensor?
  /// Encodings by caption.
  private var encoded: [String: Encoding] = [:]

  /// What the model is told about a text.
  private struct Encoding {
    /// `[1, positions, width]`
    let states: Tensor
    /// SDXL: `[1, size]`
    let pooled: Tensor?
  }

  /// Prepares the job: nothing but the plans is computed.
  /// - Parameters:
  ///   - graph: a pipeline with its weights bound.
  ///   - tokenizerFolder: where the pipeline's tokenizer folders are.
  /// - Throws: `DataError` for a size that the model cannot have, a number of steps out of range, settings of
  ///   the scheduler that are not supported, and all that preparing the graph finds.
  public init(
    _ graph: Graph, tokenizerFolder: String, options: GenerationOptions, pool: ThreadPool
  ) throws {
    let description = try PipelineDescription(from: graph)
    self.description = description
    self.options = options
    guard options.guidance.isFinite else {
      throw DataError("--guidance: \(options.guidance) is not a finite number")
    }
    sampler = try description.sampler(options.sampler, steps: options.steps)

    let (width, height) = options.size ?? (description.imageSize, description.imageSize)
    let downscale = description.latentDownscale
    guard width > 0, height > 0, width % downscale == 0, height % downscale == 0 else {
      throw DataError("--size: \(width)x\(height) is not made of multiples of \(downscale) pixels")
    }
    latentShape = [1, description.latentChannels, height / downscale, width / downscale]
    if description.kind == .sdxl {
      let ids =
        (options.size == nil ? description.timeIDs : nil) ?? [height, width, 0, 0, height, width]
      timeIDs = Tensor(ids.map { Float($0) }, shape: [1, 6])
    } else {
      timeIDs = nil
    }
    tokenizers = try PipelineTokenizers(description, of: graph, folder: tokenizerFolder)
    do {
      plans = try GenerationPlans(
        graph, description, texts: tokenizers.types, latentShape: latentShape,
        hasWholeTimesteps: sampler.timesteps.allSatisfy { $0 == $0.rounded() }, pool: pool)
    } catch let error as DataError where options.size != nil {
      throw error.at("--size \(width)x\(height)")
    }
  }

  /// The noise of a seed as diffusers draws it for one image: `torch.randn(latentShape)` on a CPU.
  public func noise(seed: UInt64) -> Tensor { randn(seed: seed, shape: latentShape) }

  /// The image of a caption.
  /// - Parameters:
  ///   - noise: standard normal, float32 `latentShape`.
  ///   - progress: told the number of finished parts of the work and of all: one a step, one for decoding.
  /// - Throws: `DataError` for a caption that is too long, noise of another shape, and what a run finds.
  public func image(
    of text: String, noise: Tensor, progress: ((Int, Int) -> Void)? = nil
  ) throws -> GeneratedImage {
    let total = options.steps + 1
    progress?(0, total)
    let latents = try latents(of: text, noise: noise) { progress?($0, total) }
    let image = try decode(latents)
    progress?(total, total)
    return image
  }

  /// The clean latents of a caption, float32 `latentShape`, scaled as the decoder of the graph takes them.
  /// - Parameter progress: told the number of finished steps.
  public func latents(
    of text: String, noise: Tensor, progress: ((Int) -> Void)? = nil
  ) throws -> Tensor {
    guard noise.dtype == .float32, noise.shape == latentShape else {
      throw DataError(
        "the noise is \(noise.dtype)\(Shape.text(noise.shape)), not float32\(Shape.text(latentShape))")
    }
    var texts = [try encoding(of: text)]
    if options.isGuided { texts.insert(try negative(beside: texts[0]), at: 0) }

    var latents = GenerationJob.scaled(noise, by: sampler.initialScale)
    var input = sampler.modelInput(latents, step: 0)
    var unconditional: Tensor?
    let run = SweepRun(
      plans.denoiser, counts: [.timestep: options.steps, .text: texts.count], budget: options.memoryBudget
    ) { [plans, sampler, timeIDs] name, position in
      switch name {
      case "noisy_latent": return input
      case "timestep": return plans.timestep(sampler.timesteps[position[.timestep]!])
      case "encoder_hidden_states": return texts[position[.text]!].states
      case "pooled_text": if let pooled = texts[position[.text]!].pooled { return pooled }
      case "time_ids": if let timeIDs { return timeIDs }
      default: break
      }
      throw DataError("the pipeline's input '\(name)' is not known")
    }
    // Texts turn fastest: both of a step come before the next one asks for its input.
    try run.run { position, outputs in
      guard let output = outputs["noise_pred"] else { throw DataError("the model gave no output") }
      let step = position[.timestep]!
      if position[.text]! + 1 < texts.count {
        unconditional = output
        return
      }
      let guided = unconditional.map { GenerationJob.guided($0, output, options.guidance) } ?? output
      latents = sampler.next(latents, output: guided, step: step)
      if step + 1 < options.steps { input = sampler.modelInput(latents, step: step + 1) }
      progress?(step + 1)
    }
    return latents
  }

  /// The image of clean latents.
  public func decode(_ latents: Tensor) throws -> GeneratedImage {
    guard let image = try plans.decoder.run(["decoder_latent": latents])["image"] else {
      throw DataError("the decoder gave no image")
    }
    let values = UnsafeBufferPointer(start: image.pointer(as: Float.self), count: image.count)
    return GeneratedImage(image: try RGBImage(image), isFinite: values.allSatisfy(\.isFinite))
  }

  // MARK: Texts

  private func encoding(of text: String) throws -> Encoding {
    if let known = encoded[text] { return known }
    var ids: [String: Tensor] = [:]
    for (input, own) in try tokenizers.ids(text) { ids[input] = Tensor(own, shape: [1, own.count]) }
    let outputs = try plans.encoder.run(ids)
    guard let states = outputs["encoder_hidden_states"] else { throw DataError("the text has no states") }
    let encoding = Encoding(states: states, pooled: outputs["pooled_text"])
    encoded[text] = encoding
    return encoding
  }

  private func negative(beside text: Encoding) throws -> Encoding {
    if options.negative == nil, description.kind == .sdxl, description.forcesZerosForEmptyPrompt ?? true {
      return Encoding(
        states: .zeros(.float32, text.states.shape), pooled: text.pooled.map { .zeros(.float32, $0.shape) })
    }
    return try encoding(of: options.negative ?? "")
  }

  // MARK: Arithmetic

  private static func scaled(_ tensor: Tensor, by factor: Float) -> Tensor {
    Tensor(tensor.array(of: Float.self).map { $0 * factor }, shape: tensor.shape)
  }

  private static func guided(_ without: Tensor, _ with: Tensor, _ scale: Float) -> Tensor {
    let pairs = zip(without.array(of: Float.self), with.array(of: Float.self))
    return Tensor(pairs.map { $0 + scale * ($1 - $0) }, shape: with.shape)
  }
}

/// An image made by a model.
public struct GeneratedImage: Sendable {
  public let image: RGBImage
  /// False when the model gave infinities or what is no number, which show as black or white.
  public let isFinite: Bool
}
