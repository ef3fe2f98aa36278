import TensorCore

/// A way from noise to clean latents in a fixed number of steps, each of which asks the model once.
///
/// A caller scales standard normal noise by `initialScale`; then, for each step, it hands the model
/// `modelInput` and the step's timestep, and gives the model's output to `next`. All arithmetic is in float32
/// and in diffusers' order.
public protocol Sampler: Sendable {
  /// What the model is told at each step, from noisy to clean. May lie between training timesteps.
  var timesteps: [Float] { get }
  /// The standard deviation of the latents that the first step starts from.
  var initialScale: Float { get }

  /// The latents as the model sees them at a step.
  /// - Parameter latents: float32; the result has its shape.
  func modelInput(_ latents: Tensor, step: Int) -> Tensor

  /// The latents after a step.
  /// - Parameters:
  ///   - output: the model's output for `modelInput(latents, step:)`, float32 of the shape of `latents`.
  func next(_ latents: Tensor, output: Tensor, step: Int) -> Tensor
}

/// The samplers that are known.
public enum SamplerKind: String, Sendable, CaseIterable {
  case euler, ddim

  /// diffusers' class.
  public var className: String {
    switch self {
    case .euler: "EulerDiscreteScheduler"
    case .ddim: "DDIMScheduler"
    }
  }

  /// The sampler nearest to a checkpoint's scheduler: itself if it is one of ours, else Euler's method for
  /// those that count noise in σ and DDIM for the others.
  public init(nearestTo scheduler: SchedulerDescription) {
    self =
      SamplerKind.allCases.first { $0.className == scheduler.className }
      ?? (scheduler.family == .euler ? .euler : .ddim)
  }

  /// - Parameters:
  ///   - config: settings as in `scheduler_config.json`; what is missing has the class's default.
  /// - Throws: `DataError` that names the key, or the number of steps when it is not in
  ///   1…`num_train_timesteps`.
  public func make(_ config: ConfigFile, steps: Int) throws -> any Sampler {
    switch self {
    case .euler: try EulerSampler(config, steps: steps)
    case .ddim: try DDIMSampler(config, steps: steps)
    }
  }
}

extension Tensor {
  /// A float32 tensor of the same shape, element by element.
  func mapped(_ body: (Float) -> Float) -> Tensor {
    let result = Tensor(.float32, shape)
    let (source, out) = (pointer(as: Float.self), result.pointer(as: Float.self))
    for i in 0..<count { out[i] = body(source[i]) }
    return result
  }

  /// The same of two float32 tensors with as many elements.
  func mapped(with other: Tensor, _ body: (Float, Float) -> Float) -> Tensor {
    precondition(dtype == .float32 && other.dtype == .float32 && count == other.count)
    let result = Tensor(.float32, shape)
    let (a, b, out) = (
      pointer(as: Float.self), other.pointer(as: Float.self), result.pointer(as: Float.self)
    )
    for i in 0..<count { out[i] = body(a[i], b[i]) }
    return result
  }
}
