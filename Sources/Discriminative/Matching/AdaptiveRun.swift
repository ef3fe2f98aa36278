import Interpreter

/// Follows a matching job's sweep and tells which passes it need not run any more: an image's captions are gone through
/// at one timestep after the other, and the scores of each timestep may give some up.
///
/// Of several images the first few are run as a whole: they tell how much captions differ at each timestep.
struct AdaptiveRun {
  let errorRate: Double
  private var profile: SpreadProfile
  /// By image; nil for one that is run as a whole, and for one that has not been begun.
  private var eliminations: [Elimination?]
  /// The image and timestep that the sweep is at.
  private var current: (image: Int, timestep: Int)?
  /// The scores of an image that is run as a whole, by caption and timestep.
  private var whole: [[Double]] = []
  private unowned let job: MatchingJob

  init(_ job: MatchingJob, errorRate: Double) throws {
    self.job = job
    self.errorRate = errorRate
    profile = SpreadProfile(timesteps: job.timesteps.count)
    eliminations = Array(repeating: nil, count: job.imageNames.count)
  }

  /// Captions that may be the best one, by image.
  var alive: [[Bool]] {
    eliminations.map { $0?.alive ?? Array(repeating: true, count: job.texts.count) }
  }

  /// Begins an image; the timesteps in the order in which they are to be run.
  mutating func order(of image: Int) throws -> [Int]? {
    guard image < eliminations.count else { return nil }
    try finish()
    let captions = job.texts.count
    if job.imageNames.count > SpreadProfile.fewest {
      guard let spread = profile.variances else {
        whole = Array(repeating: Array(repeating: .nan, count: job.timesteps.count), count: captions)
        return nil
      }
      let elimination = Elimination(captions: captions, errorRate: errorRate, spread: spread)
      eliminations[image] = elimination
      return elimination.order
    }
    let elimination = Elimination(captions: captions, timesteps: job.timesteps.count, errorRate: errorRate)
    eliminations[image] = elimination
    return elimination.order
  }

  /// Told every position before it would run.
  mutating func skips(_ position: SweepPosition) throws -> Bool {
    let (image, timestep, text) = (position[.image]!, position[.timestep]!, position[.text]!)
    if let now = current, now.image != image || now.timestep != timestep { try finish() }
    current = (image, timestep)
    guard let alive = eliminations[image]?.alive else { return false }
    // What is left needs no more passes, nor the empty caption's.
    guard alive.count(where: { $0 }) > 1 || job.texts.count == 1 else { return true }
    return text < alive.count && !alive[text]
  }

  /// Takes in the scores of the timestep that has just been gone through.
  mutating func finish() throws {
    guard let (image, timestep) = current else { return }
    current = nil
    let texts = job.texts.indices
    func score(_ text: Int) throws -> Double {
      guard job.hasRun(image, text, timestep) else { return .nan }
      return try job.score(image: image, text: text, timestep: timestep)
    }
    guard eliminations[image] != nil else {
      for text in texts { whole[text][timestep] = try score(text) }
      if !whole.joined().contains(where: \.isNaN) { profile.add(whole) }
      return
    }
    let scores = try texts.map(score)
    guard scores.contains(where: { !$0.isNaN }) else { return }
    eliminations[image]!.add(scores, at: timestep)
  }
}
