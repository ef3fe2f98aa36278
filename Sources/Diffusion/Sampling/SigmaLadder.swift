#if canImport(Glibc)
  import Glibc
#endif

/// σ of every training timestep, and the way between σ and timesteps that are no whole numbers.
struct SigmaLadder {
  /// `[num_train_timesteps]`, rising.
  private let sigmas: [Double]
  private let logarithms: [Double]

  init(_ schedule: NoiseSchedule) {
    let values = (0..<schedule.trainTimesteps).map(schedule.sigma)
    sigmas = values.map { Double($0) }
    // numpy takes the logarithm in float32.
    logarithms = values.map { Double(logf($0)) }
  }

  /// Linear interpolation between the neighbours, the ends beyond them, in float64 like numpy's `interp`.
  func sigma(at timestep: Double) -> Double {
    guard timestep > 0 else { return sigmas[0] }
    let below = Int(timestep.rounded(.down).clamped(to: 0...Double(sigmas.count)))
    guard below + 1 < sigmas.count else { return sigmas[sigmas.count - 1] }
    return (sigmas[below + 1] - sigmas[below]) * (timestep - Double(below)) + sigmas[below]
  }

  /// The timestep with this σ, by linear interpolation of log σ.
  func timestep(of sigma: Double) -> Double {
    guard logarithms.count > 1 else { return 0 }
    let logarithm = log(max(sigma, 1e-10))
    let last = logarithms.lastIndex { $0 <= logarithm } ?? 0
    let below = min(last, logarithms.count - 2)
    let (low, high) = (logarithms[below], logarithms[below + 1])
    let share = ((low - logarithm) / Double(Float(low - high))).clamped(to: 0...1)
    return (1 - share) * Double(below) + share * Double(below + 1)
  }
}

/// A law by which σ falls from the first to the last step, instead of following the timesteps.
enum SigmaCurve {
  /// Equal steps of σ^(1/7) (arXiv 2206.00364, equation 5).
  case karras(low: Double?, high: Double?)
  /// Equal steps of log σ.
  case exponential(low: Double?, high: Double?)

  /// The curve that a scheduler's settings choose, if any.
  /// - Throws: `DataError` that names the key when it is not supported or not the only one.
  init?(_ config: ConfigFile) throws {
    if try config.bool("use_beta_sigmas", default: false) {
      throw config.error("use_beta_sigmas", "is not supported")
    }
    let low = config.has("sigma_min") ? try config.double("sigma_min") : nil
    let high = config.has("sigma_max") ? try config.double("sigma_max") : nil
    for (key, value) in [("sigma_min", low), ("sigma_max", high)] {
      if let value, !(value > 0 && value.isFinite) { throw config.error(key, "\(value) is not positive") }
    }
    let isKarras = try config.bool("use_karras_sigmas", default: false)
    let isExponential = try config.bool("use_exponential_sigmas", default: false)
    switch (isKarras, isExponential) {
    case (true, true):
      throw config.error("use_exponential_sigmas", "does not go with use_karras_sigmas")
    case (true, false): self = .karras(low: low, high: high)
    case (false, true): self = .exponential(low: low, high: high)
    case (false, false): return nil
    }
  }

  /// - Parameters: `first` and `last` are used where the settings have no limits.
  func sigmas(from first: Double, to last: Double, _ steps: Int) -> [Double] {
    func ramp(_ from: Double, _ to: Double) -> [Double] {
      (0..<steps).map { i in
        from + (steps > 1 ? Double(i) / Double(steps - 1) : 0) * (to - from)
      }
    }
    switch self {
    case .karras(let low, let high):
      let power = 7.0
      return ramp(pow(high ?? first, 1 / power), pow(low ?? last, 1 / power)).map { pow($0, power) }
    case .exponential(let low, let high):
      return ramp(log(high ?? first), log(low ?? last)).map { exp($0) }
    }
  }
}

extension Double {
  fileprivate func clamped(to range: ClosedRange<Double>) -> Double {
    min(max(self, range.lowerBound), range.upperBound)
  }
}
