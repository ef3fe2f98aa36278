#if canImport(Glibc)
  import Glibc
#endif

/// The beta sequences of diffusers' schedulers, in float32 as torch computes them.
enum Betas {
  /// The most training timesteps that are believed.
  static let maximumTimesteps = 1_000_000

  /// `trained_betas`, or the sequence that `beta_schedule` names.
  static func read(_ config: ConfigFile, _ kind: SchedulerKind) throws -> [Float] {
    if config.has("trained_betas") {
      let betas = try config.doubles("trained_betas")
      guard !betas.isEmpty else { throw config.error("trained_betas", "an empty list") }
      return betas.map { Float($0) }
    }
    let count = try config.int("num_train_timesteps", default: 1000)
    guard (1...maximumTimesteps).contains(count) else {
      throw config.error("num_train_timesteps", "\(count) is outside 1…\(maximumTimesteps)")
    }
    let start = try config.double("beta_start", default: kind.betaStart)
    let end = try config.double("beta_end", default: kind.betaEnd)
    for (key, value) in [("beta_start", start), ("beta_end", end)] where !(0...1).contains(value) {
      throw config.error(key, "\(value) is outside 0…1")
    }
    switch try config.choice("beta_schedule", default: kind.betaSchedule) {
    case .linear: return linspace(start, end, count)
    case .scaledLinear: return linspace(start.squareRoot(), end.squareRoot(), count).map { $0 * $0 }
    case .squaredCosine: return squaredCosine(count)
    }
  }

  /// `torch.linspace` in float32: counted from the nearer end.
  static func linspace(_ first: Double, _ last: Double, _ count: Int) -> [Float] {
    let (first, last) = (Float(first), Float(last))
    if count == 1 { return [first] }
    let step = (last - first) / Float(count - 1)
    return (0..<count).map { i in
      i < count / 2 ? first + step * Float(i) : last - step * Float(count - 1 - i)
    }
  }

  /// Nichol and Dhariwal's cosine schedule (arXiv 2102.09672): βᵢ = min(1 − ᾱ((i+1)/T) / ᾱ(i/T), 0.999)
  /// with ᾱ(u) = cos²((u + 0.008) / 1.008 · π/2), in float64 and rounded once.
  static func squaredCosine(_ count: Int) -> [Float] {
    func alphaBar(_ u: Double) -> Double {
      let c = cos((u + 0.008) / 1.008 * Double.pi / 2)
      return c * c
    }
    return (0..<count).map { i in
      let ratio = alphaBar(Double(i + 1) / Double(count)) / alphaBar(Double(i) / Double(count))
      return Float(min(1 - ratio, 0.999))
    }
  }

  /// The running product of 1 − β. Torch carries it in float64 and rounds each element.
  static func alphasCumprod(_ betas: [Float]) -> [Float] {
    var product = 1.0
    return betas.map { beta in
      product *= Double(1 - beta)
      return Float(product)
    }
  }

  /// Betas shifted and scaled so that the last ᾱ is 0 and the first stays (arXiv 2305.08891, algorithm 1).
  static func rescaledToZeroSNR(_ betas: [Float]) -> [Float] {
    var roots = alphasCumprod(betas).map { $0.squareRoot() }
    let (first, last) = (roots[0], roots[roots.count - 1])
    let scale = first / (first - last)
    for i in roots.indices { roots[i] = (roots[i] - last) * scale }
    let squares = roots.map { $0 * $0 }
    return squares.indices.map { i in 1 - (i == 0 ? squares[0] : squares[i] / squares[i - 1]) }
  }
}
