import TensorCore

/// How a checkpoint's scheduler mixes latents and noise at each training timestep.
///
/// Read from `scheduler/scheduler_config.json`. ᾱ is computed in float32 step by step as diffusers does.
public struct NoiseSchedule: Sendable, Equatable {
  /// The two ways to noise that diffusers' classes have.
  public enum Family: String, Sendable, CaseIterable {
    /// z₀ + σ ε, which the model sees divided by √(σ² + 1).
    case euler
    /// √ᾱ z₀ + √(1 − ᾱ) ε, which the model sees as it is.
    case ddpm
  }

  /// What the model's output stands for.
  public enum Prediction: String, Sendable, CaseIterable {
    /// The noise ε.
    case epsilon
    /// v = √ᾱ ε − √(1 − ᾱ) z₀ (arXiv 2202.00512).
    case velocity = "v_prediction"
    /// The clean latents z₀.
    case sample
  }

  /// The shapes of β over time that are known.
  public enum BetaSchedule: String, Sendable, CaseIterable {
    case linear
    case scaledLinear = "scaled_linear"
    case squaredCosine = "squaredcos_cap_v2"
  }

  /// How a sampler spreads its steps over the training timesteps.
  public enum TimestepSpacing: String, Sendable, CaseIterable {
    case linspace, leading, trailing
  }

  /// diffusers' class name.
  public let className: String
  /// How the class noises latents.
  public let family: Family
  /// What the model was trained to give.
  public let prediction: Prediction
  /// ᾱ_t for every training timestep t, `[num_train_timesteps]`.
  public let alphasCumprod: [Float]
  /// `timestep_spacing`, or the class's default.
  public let timestepSpacing: TimestepSpacing
  /// `steps_offset`: what a sampler adds to its timesteps.
  public let stepsOffset: Int

  /// The number of timesteps the model was trained on; valid ones are `0..<trainTimesteps`.
  public var trainTimesteps: Int { alphasCumprod.count }

  /// Reads a `scheduler_config.json`.
  /// - Throws: `DataError` that names the file and the key: a class that noises in another way, an unknown
  ///   beta schedule or prediction type, a value of the wrong type or out of range.
  public init(path: String) throws { try self.init(ConfigFile(path: path)) }

  /// The schedule that a scheduler's settings describe.
  /// - Throws: `DataError` that names the file and the key.
  public init(_ config: ConfigFile) throws {
    className = try config.string("_class_name")
    let name = className
    guard let kind = SchedulerKind.all.first(where: { $0.name == name }) else {
      let known = SchedulerKind.all.map(\.name).joined(separator: ", ")
      throw config.error("_class_name", "cannot noise latents like “\(name)” (known: \(known))")
    }
    family = kind.family
    prediction = try config.choice("prediction_type", default: .epsilon)
    timestepSpacing = try config.choice("timestep_spacing", default: kind.spacing)
    stepsOffset = try config.int("steps_offset", default: 0)

    var betas = try Betas.read(config, kind)
    let rescale = try kind.canRescale && config.bool("rescale_betas_zero_snr", default: false)
    if rescale { betas = Betas.rescaledToZeroSNR(betas) }
    var alphas = Betas.alphasCumprod(betas)
    if rescale && kind.keepsFloor { alphas[alphas.count - 1] = 0x1p-24 }
    // The last ᾱ may be 0 (no signal left) where nothing divides by it.
    let isSound = alphas.allSatisfy { $0 >= 0 && $0 <= 1 && (kind.family == .ddpm || $0 > 0) }
    guard isSound else { throw config.error("beta_schedule", "its betas leave the range from 0 to 1") }
    alphasCumprod = alphas
  }

  /// √ᾱ_t: the share of the clean latents.
  public func signalRate(_ timestep: Int) -> Float { alphasCumprod[timestep].squareRoot() }

  /// √(1 − ᾱ_t): the share of the noise.
  public func noiseRate(_ timestep: Int) -> Float { (1 - alphasCumprod[timestep]).squareRoot() }

  /// σ_t = √((1 − ᾱ_t) / ᾱ_t), as the Euler-type schedulers count noise.
  public func sigma(_ timestep: Int) -> Float {
    ((1 - alphasCumprod[timestep]) / alphasCumprod[timestep]).squareRoot()
  }

  /// Refuses a timestep that the model was not trained on.
  /// - Throws: `DataError` that names the range.
  public func check(timestep: Int) throws {
    guard alphasCumprod.indices.contains(timestep) else {
      throw DataError("timestep \(timestep) is outside 0…\(trainTimesteps - 1)")
    }
  }

  /// The model's input at a timestep: clean latents and noise mixed as the family says, in float32 and in
  /// diffusers' order of operations (`add_noise`, then `scale_model_input`). For a `ddpm` schedule
  /// √ᾱ z₀ + √(1 − ᾱ) ε, for an `euler` one (z₀ + σ ε) / √(σ² + 1).
  ///
  /// Both tensors are float32 and have as many elements; the result has the shape of `latents`.
  /// - Throws: `DataError` when the timestep is out of range.
  public func noised(_ latents: Tensor, with noise: Tensor, at timestep: Int) throws -> Tensor {
    precondition(latents.dtype == .float32 && noise.dtype == .float32 && latents.count == noise.count)
    try check(timestep: timestep)
    let result = Tensor(.float32, latents.shape)
    let (z, e, out) = (
      latents.pointer(as: Float.self), noise.pointer(as: Float.self), result.pointer(as: Float.self)
    )
    switch family {
    case .ddpm:
      let (signal, share) = (signalRate(timestep), noiseRate(timestep))
      for i in 0..<latents.count { out[i] = signal * z[i] + share * e[i] }
    case .euler:
      let sigma = sigma(timestep)
      let scale = (sigma * sigma + 1).squareRoot()
      for i in 0..<latents.count { out[i] = (z[i] + e[i] * sigma) / scale }
    }
    return result
  }
}
