import TensorCore

/// Deterministic DDIM (arXiv 2010.02502, equation 12 with σ = 0), as diffusers' `DDIMScheduler` with η = 0.
public struct DDIMSampler: Sampler {
  public let timesteps: [Float]
  public let initialScale: Float = 1
  private let prediction: NoiseSchedule.Prediction
  /// ᾱ at each step and at the one it leads to.
  private let alphas: [(now: Float, next: Float)]
  /// Predicted clean latents are clipped to ± this.
  private let clip: Float?

  /// - Throws: `DataError` that names the key or the number of steps.
  public init(_ config: ConfigFile, steps: Int) throws {
    let schedule = try NoiseSchedule(config.asClass(SamplerKind.ddim.className))
    prediction = schedule.prediction
    if try config.bool("thresholding", default: false) {
      throw config.error("thresholding", "is not supported")
    }
    let range = try config.double("clip_sample_range", default: 1)
    guard range > 0 else { throw config.error("clip_sample_range", "\(range) is not positive") }
    clip = try config.bool("clip_sample", default: true) ? Float(range) : nil

    let whole = try schedule.spread(steps: steps).map { $0.rounded(.toNearestOrEven) }
    timesteps = whole.map { Float($0) }
    let final = try config.bool("set_alpha_to_one", default: true) ? 1 : schedule.alphasCumprod[0]
    let stride = schedule.trainTimesteps / steps
    alphas = whole.map { t in
      let next = Int(t) - stride
      return (schedule.alphasCumprod[Int(t)], next >= 0 ? schedule.alphasCumprod[next] : final)
    }
  }

  public func modelInput(_ latents: Tensor, step: Int) -> Tensor { latents }

  public func next(_ latents: Tensor, output: Tensor, step: Int) -> Tensor {
    let (now, next) = alphas[step]
    let (signal, share) = (now.squareRoot(), (1 - now).squareRoot())
    let (nextSignal, nextShare) = (next.squareRoot(), (1 - next).squareRoot())
    func moved(_ predict: (Float, Float) -> (clean: Float, noise: Float)) -> Tensor {
      let limit = clip ?? .infinity
      return latents.mapped(with: output) { z, out in
        let (clean, noise) = predict(z, out)
        // Not-a-numbers stay what they are.
        let clipped = clean > limit ? limit : clean < -limit ? -limit : clean
        return nextSignal * clipped + nextShare * noise
      }
    }
    switch prediction {
    case .epsilon: return moved { z, out in ((z - share * out) / signal, out) }
    case .velocity: return moved { z, out in (signal * z - share * out, signal * out + share * z) }
    case .sample: return moved { z, out in (out, (z - signal * out) / share) }
    }
  }
}
