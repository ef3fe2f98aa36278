import TensorCore

/// Euler's method on the probability flow ODE dz/dσ = (z − ẑ₀) / σ (arXiv 2206.00364, algorithm 2 without
/// churn), as diffusers' `EulerDiscreteScheduler`.
public struct EulerSampler: Sampler {
  public let timesteps: [Float]
  /// The noise level at each step, and the one after the last: `[steps + 1]`.
  public let sigmas: [Float]
  public let initialScale: Float
  private let prediction: NoiseSchedule.Prediction

  /// - Throws: `DataError` that names the key or the number of steps.
  public init(_ config: ConfigFile, steps: Int) throws {
    let schedule = try NoiseSchedule(config.asClass(SamplerKind.euler.className))
    prediction = schedule.prediction
    try EulerSampler.checkSupported(config, schedule)

    let ladder = SigmaLadder(schedule)
    var timesteps = try schedule.spread(steps: steps).map { Double(Float($0)) }
    var sigmas = timesteps.map(ladder.sigma(at:))
    if let curve = try SigmaCurve(config) {
      sigmas = curve.sigmas(from: sigmas[0], to: sigmas[steps - 1], steps)
      timesteps = sigmas.map(ladder.timestep(of:))
    }
    self.timesteps = timesteps.map { Float($0) }
    let last: FinalSigma = try config.choice("final_sigmas_type", default: .zero)
    let levels = sigmas.map { Float($0) } + [last == .zero ? 0 : schedule.sigma(0)]
    guard levels.dropLast().allSatisfy({ $0 > 0 && $0.isFinite }) else {
      throw config.error("beta_schedule", "its noise levels are not positive numbers")
    }
    self.sigmas = levels
    let largest = levels.max()!
    initialScale =
      schedule.timestepSpacing == .leading ? (largest * largest + 1).squareRoot() : largest
  }

  private enum FinalSigma: String, CaseIterable {
    case zero
    case smallest = "sigma_min"
  }

  private static func checkSupported(_ config: ConfigFile, _ schedule: NoiseSchedule) throws {
    let interpolation = try config.string("interpolation_type", default: "linear")
    guard interpolation == "linear" else {
      throw config.error("interpolation_type", "“\(interpolation)” is not supported, only “linear”")
    }
    // It has no effect for other predictions.
    let type = try config.string("timestep_type", default: "discrete")
    guard type == "discrete" || schedule.prediction != .velocity else {
      throw config.error("timestep_type", "“\(type)” is not supported, only “discrete”")
    }
  }

  public func modelInput(_ latents: Tensor, step: Int) -> Tensor {
    let scale = (sigmas[step] * sigmas[step] + 1).squareRoot()
    return latents.mapped { $0 / scale }
  }

  public func next(_ latents: Tensor, output: Tensor, step: Int) -> Tensor {
    let sigma = sigmas[step]
    let change = sigmas[step + 1] - sigma
    let square = sigma * sigma + 1
    let velocityShare = -sigma / square.squareRoot()
    func moved(_ clean: (Float, Float) -> Float) -> Tensor {
      latents.mapped(with: output) { z, out in z + (z - clean(z, out)) / sigma * change }
    }
    switch prediction {
    case .epsilon: return moved { z, out in z - sigma * out }
    case .velocity: return moved { z, out in out * velocityShare + z / square }
    case .sample: return moved { _, out in out }
    }
  }
}
