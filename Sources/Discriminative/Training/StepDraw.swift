/// The random part of one example's loss: timesteps and noise.
public struct StepDraw: Sendable, Hashable {
  /// Noise levels; the loss is that of the scores averaged over them.
  public let timesteps: [Int]
  /// The noise of the example is `TorchGenerator(seed:).randn([timesteps] + latent)`, shared by its candidates.
  public let noiseSeed: UInt64

  public init(timesteps: [Int], noiseSeed: UInt64) {
    self.timesteps = timesteps
    self.noiseSeed = noiseSeed
  }
}

/// Where draws come from. Every draw is a function of the run's seed, the step and the place in the batch alone, so
/// a run that goes on draws what it would have drawn.
public struct StepDraws: Sendable {
  public enum Timesteps: Sendable, Equatable {
    /// So many for each example, anew at every step, from 0 to the schedule's length.
    case random(count: Int)
    /// The same for all.
    case fixed([Int])
  }

  public let seed: UInt64
  public let timesteps: Timesteps
  /// The noise levels and the seed of the noise that validation uses: what an evaluation with these settings sees.
  public let validationTimesteps: [Int]
  public let validationSeed: UInt64
  /// The length of the model's schedule.
  public let scheduleLength: Int

  public init(
    seed: UInt64, timesteps: Timesteps, validationTimesteps: [Int], validationSeed: UInt64 = 0,
    scheduleLength: Int
  ) {
    self.seed = seed
    self.timesteps = timesteps
    self.validationTimesteps = validationTimesteps
    self.validationSeed = validationSeed
    self.scheduleLength = scheduleLength
  }

  /// The draw of a training example.
  /// - Parameters:
  ///   - step: from 0.
  ///   - place: in the step's batch, all of its accumulated parts together.
  public func draw(step: Int, place: Int) -> StepDraw {
    var random = SplitMix64(seed, stream: .draws, step, place)
    // The noise first, so that it does not depend on how timesteps are chosen.
    let noise = random.next() & 0xFFFF_FFFF
    switch timesteps {
    case .fixed(let fixed): return StepDraw(timesteps: fixed, noiseSeed: noise)
    case .random(let count):
      let drawn = (0..<count).map { _ in Int(random.next(below: UInt64(scheduleLength))) }
      return StepDraw(timesteps: drawn, noiseSeed: noise)
    }
  }

  /// The draw of a validation example: the same for all of them and at every step.
  public var validation: StepDraw { StepDraw(timesteps: validationTimesteps, noiseSeed: validationSeed) }
}

extension SplitMix64 {
  /// Streams of one run's seed that have nothing to do with each other.
  enum Stream: UInt64 {
    case draws = 1
    case order, shots, split
  }

  /// The generator of a place in a stream.
  init(_ seed: UInt64, stream: Stream, _ places: Int...) {
    self.init(state: seed)
    for number in [stream.rawValue] + places.map({ UInt64(bitPattern: Int64($0)) }) {
      state = next() ^ number
    }
  }

  /// A random order of `0..<count` (Fisher and Yates).
  mutating func order(_ count: Int) -> [Int] {
    var result = Array(0..<count)
    for place in stride(from: count - 1, to: 0, by: -1) {
      result.swapAt(place, Int(next(below: UInt64(place + 1))))
    }
    return result
  }
}
