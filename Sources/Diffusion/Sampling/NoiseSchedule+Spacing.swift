import TensorCore

extension NoiseSchedule {
  /// The training timesteps that a sampler visits in so many steps, from noisy to clean, spread as
  /// `timestep_spacing` says (arXiv 2305.08891, table 2) and counted as numpy counts. `linspace` gives numbers
  /// between the training timesteps.
  /// - Throws: `DataError` when the number of steps is not in 1…`num_train_timesteps`, or the steps leave the
  ///   schedule.
  func spread(steps: Int) throws -> [Double] {
    guard (1...trainTimesteps).contains(steps) else {
      throw DataError("--steps: \(steps) is not between 1 and \(trainTimesteps), the schedule's length")
    }
    let timesteps = spaced(steps)
    let last = Double(trainTimesteps - 1)
    if let outside = timesteps.first(where: { !(0...last).contains($0) }) {
      throw DataError(
        "--steps: \(steps) steps visit timestep \(Int(exactly: outside) ?? .max), "
          + "the schedule has 0 to \(Int(last))")
    }
    return timesteps
  }

  private func spaced(_ steps: Int) -> [Double] {
    switch timestepSpacing {
    case .linspace:
      let last = Double(trainTimesteps - 1)
      guard steps > 1 else { return [0] }
      let step = last / Double(steps - 1)
      return (0..<steps).reversed().map { $0 == steps - 1 ? last : Double($0) * step }
    case .leading:
      let ratio = trainTimesteps / steps
      return (0..<steps).reversed().map { Double($0 * ratio) + Double(stepsOffset) }
    case .trailing:
      // Counted down by the difference of the first two numbers. Where numpy's range has one element too
      // many because of rounding, diffusers takes one step more than asked for, at timestep −1.
      let first = Double(trainTimesteps)
      let step = (first - first / Double(steps)) - first
      return (0..<steps).map { (first + Double($0) * step).rounded(.toNearestOrEven) - 1 }
    }
  }
}
