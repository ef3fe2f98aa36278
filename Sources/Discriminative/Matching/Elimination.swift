import Foundation

/// Tells which captions of an image can no longer be the best one, after some of the timesteps.
///
/// Captions see the same noise, so the differences of their scores at a timestep spread less than the scores. After some
/// timesteps, let D be the sum of the differences so far between the best caption and another one, and R that over the
/// timesteps to come, which are not known. The other one wins in the end only if R < −D. It is given up when the
/// probability of that is below the error rate by the number of captions beside the best one (Bonferroni). A caption is
/// given up once at most, so that looking after every timestep takes no more from the error rate: what is to come does
/// not depend on when one looks.
///
/// How far R spreads is told in one of two ways:
///
/// - Where images before have been run as a whole, by how much captions differed there at each timestep
///   (``SpreadProfile``); R is taken for normal with mean 0, and timesteps with much spread are run first.
/// - Else by the image's own differences so far, with a t-test for samples without replacement from the timesteps of the
///   full run: of n out of N the mean's squared standard error is v / n · (1 − n / N). With few timesteps a variance by
///   itself is little known; it is joined with the mean of all captions', which counts as `priorCount` observations (as
///   Smyth 2004 does for genes, doi 10.2202/1544-6115.1027).
///
/// Both take timesteps for independent and differences for normal.
public struct Elimination: Sendable {
  /// At most the probability, for an image, that the caption that all timesteps would put first is given up.
  public let errorRate: Double
  /// Timesteps in the order in which they are run.
  public let order: [Int]
  /// Captions that may still be the best one.
  public private(set) var alive: [Bool]

  /// Scores by caption, in the order of the timesteps run.
  private var scores: [[Double]]
  private let spread: SpreadProfile.Variances?
  /// Variance of the differences to come.
  private var left = 0.0

  /// Observations that the joint variance counts as.
  static let priorCount = 6.0
  /// Timesteps before which nothing is decided by an image's own differences.
  static let fewest = 2

  /// By the image's own differences.
  public init(captions: Int, timesteps: Int, errorRate: Double) {
    self.errorRate = errorRate
    spread = nil
    order = Elimination.spreadOrder(timesteps)
    scores = Array(repeating: [], count: captions)
    alive = Array(repeating: true, count: captions)
  }

  /// By how much captions differ elsewhere.
  public init(captions: Int, errorRate: Double, spread: SpreadProfile.Variances) {
    self.errorRate = errorRate
    self.spread = spread
    order = spread.byTimestep.indices.sorted {
      (-spread.byTimestep[$0], $0) < (-spread.byTimestep[$1], $1)
    }
    left = spread.byTimestep.reduce(0, +)
    scores = Array(repeating: [], count: captions)
    alive = Array(repeating: true, count: captions)
  }

  /// Notes the scores of the captions alive at one more timestep, and gives up those that it can.
  /// - Parameter values: by caption; those given up before are not looked at. A score that is not finite gives up nothing.
  public mutating func add(_ values: [Double], at timestep: Int) {
    for caption in alive.indices where alive[caption] { scores[caption].append(values[caption]) }
    let rest = alive.indices.filter { alive[$0] }
    let done = rest.first.map { scores[$0].count } ?? 0
    if let spread { left = max(0, left - spread.byTimestep[timestep]) }
    guard rest.count > 1, done < order.count, rest.allSatisfy({ scores[$0].allSatisfy(\.isFinite) }) else {
      return
    }
    let best = rest.max { (mean(scores[$0]), -$0) < (mean(scores[$1]), -$1) }!
    let others = rest.filter { $0 != best }
    let differences = others.map { zip(scores[best], scores[$0]).map { $0 - $1 } }
    let limit = errorRate / Double(alive.count - 1)
    for (place, probability) in reversals(differences).enumerated() where probability < limit {
      alive[others[place]] = false
    }
  }

  /// The probability that a caption wins in the end although it is behind, by its differences from the best one so far.
  private func reversals(_ differences: [[Double]]) -> [Double] {
    if let spread {
      return differences.map { d in
        let lead = d.reduce(0, +)
        return lead > 0 && left > 0
          ? StudentT.upperTail(lead / left.squareRoot(), degrees: spread.degrees) : lead > 0 ? 0 : 1
      }
    }
    let (n, total) = (Double(differences[0].count), Double(order.count))
    guard differences[0].count >= Self.fewest else { return differences.map { _ in 1 } }
    let variances = differences.map(Self.variance)
    let joint = mean(variances)
    return zip(differences, variances).map { d, own in
      let variance = (Self.priorCount * joint + (n - 1) * own) / (Self.priorCount + n - 1)
      let error = (variance / n * (1 - n / total)).squareRoot()
      guard mean(d) > 0, error > 0 else { return 1 }
      return StudentT.upperTail(mean(d) / error, degrees: Self.priorCount + n - 1)
    }
  }

  private func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }

  private static func variance(_ values: [Double]) -> Double {
    let mean = values.reduce(0, +) / Double(values.count)
    return values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)
  }

  /// An order of timesteps in which the first few are spread over all of them: the middle, then quarters, then eighths
  /// (van der Corput's sequence).
  public static func spreadOrder(_ count: Int) -> [Int] {
    var bits = 0
    while 1 << bits < count { bits += 1 }
    let places = (0..<1 << bits).map { number in
      (0..<bits).reduce(0) { $0 | ((number >> $1) & 1) << (bits - 1 - $1) }
    }
    return places.map { ($0 + (1 << bits) / 2) % (1 << bits) }.filter { $0 < count }
  }
}

/// How much the scores of an image's captions differ at each timestep, from images that were run as a whole.
public struct SpreadProfile: Sendable {
  /// Variances of the difference between two captions' scores, and how well they are known.
  public struct Variances: Sendable, Equatable {
    public var byTimestep: [Double]
    public var degrees: Double
  }

  /// Images that are enough.
  public static let fewest = 3

  private var images = 0
  private var degrees = 0.0
  private var sums: [Double]

  public init(timesteps: Int) { sums = Array(repeating: 0, count: timesteps) }

  /// Adds an image's scores `[caption][timestep]`; one with scores that are not finite counts for nothing.
  public mutating func add(_ scores: [[Double]]) {
    guard scores.count > 1, scores.allSatisfy({ $0.allSatisfy(\.isFinite) }) else { return }
    images += 1
    degrees += Double(scores.count - 1)
    for timestep in sums.indices {
      let mean = scores.reduce(0) { $0 + $1[timestep] } / Double(scores.count)
      for row in scores { sums[timestep] += (row[timestep] - mean) * (row[timestep] - mean) }
    }
  }

  /// Nil while the images are too few.
  public var variances: Variances? {
    images < Self.fewest ? nil : Variances(byTimestep: sums.map { 2 * $0 / degrees }, degrees: degrees)
  }
}

/// Student's t distribution.
enum StudentT {
  /// P(T > t): half the regularised incomplete beta function I(ν / (ν + t²); ν/2, 1/2) for t ≥ 0.
  static func upperTail(_ t: Double, degrees: Double) -> Double {
    let tail = 0.5 * regularizedBeta(degrees / (degrees + t * t), degrees / 2, 0.5)
    return t >= 0 ? tail : 1 - tail
  }

  /// By its continued fraction (DLMF 8.17.22), evaluated by Lentz's method.
  static func regularizedBeta(_ x: Double, _ a: Double, _ b: Double) -> Double {
    if x <= 0 { return 0 }
    if x >= 1 { return 1 }
    // The fraction converges fast below the distribution's mean; above it the mirrored one does.
    if x > (a + 1) / (a + b + 2) { return 1 - regularizedBeta(1 - x, b, a) }
    let logFront: Double = lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)
    let front = exp(logFront) / a
    let tiny = 1e-300
    func kept(_ value: Double) -> Double { abs(value) < tiny ? tiny : value }
    var (c, d) = (1.0, 1 / kept(1 - (a + b) * x / (a + 1)))
    var result = d
    for m in 1...300 {
      let m = Double(m)
      let even: Double = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
      let odd: Double = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
      for step in [even, odd] {
        d = 1 / kept(1 + step * d)
        c = kept(1 + step / c)
        result *= d * c
        if abs(d * c - 1) < 1e-15 { return front * result }
      }
    }
    return front * result
  }
}
