/// Percentile intervals of proportions, by drawing items with replacement.
public struct Bootstrap: Sendable {
  public static let resamples = 10_000
  public static let level = 0.95

  /// Successes and trials of one item.
  public struct Count: Sendable, Equatable {
    public var successes, trials: Int

    public init(_ successes: Int, of trials: Int) {
      self.successes = successes
      self.trials = trials
    }
  }

  /// A proportion and its 95 % interval.
  public struct Proportion: Sendable, Equatable, Encodable {
    public let value, low, high: Double
  }

  /// The proportion of each series of items: all successes by all trials. An item is drawn as a whole, whatever
  /// its trials, and all series see the same draws.
  ///
  /// The interval is that of the 2.5th and 97.5th percentile of 10,000 draws of as many items, with linear
  /// interpolation between order statistics. Cost: O(resamples · items · series).
  /// - Parameter series: for each series the counts of the same items. At least one trial is needed.
  public static func proportions(_ series: [[Count]], seed: UInt64 = 0) -> [Proportion] {
    guard let items = series.first?.count, items > 0 else { return [] }
    // For each item its successes in every series, then its trials.
    let width = series.count
    var rows = [Float](repeating: 0, count: items * 2 * width)
    for (column, counts) in series.enumerated() {
      for (item, count) in counts.enumerated() {
        rows[item * 2 * width + column] = Float(count.successes)
        rows[item * 2 * width + width + column] = Float(count.trials)
      }
    }
    var random = SplitMix64(state: seed)
    var draws = [[Double]](repeating: [], count: width)
    var sums = [Float](repeating: 0, count: 2 * width)
    rows.withUnsafeBufferPointer { rows in
      for _ in 0..<resamples {
        for column in sums.indices { sums[column] = 0 }
        sums.withUnsafeMutableBufferPointer { sums in
          for _ in 0..<items {
            let row = rows.baseAddress! + Int(random.next(below: UInt64(items))) * 2 * width
            for column in 0..<2 * width { sums[column] += row[column] }
          }
        }
        for column in 0..<width where sums[width + column] > 0 {
          draws[column].append(Double(sums[column]) / Double(sums[width + column]))
        }
      }
    }
    return zip(series, draws).map { counts, draws in
      let trials = counts.reduce(0) { $0 + $1.trials }
      let successes = counts.reduce(0) { $0 + $1.successes }
      let sorted = draws.sorted()
      return Proportion(
        value: Double(successes) / Double(trials), low: percentile((1 - level) / 2, of: sorted),
        high: percentile((1 + level) / 2, of: sorted))
    }
  }

  /// The value below which a fraction of sorted values lies, as numpy's `percentile` has it.
  static func percentile(_ fraction: Double, of sorted: [Double]) -> Double {
    guard !sorted.isEmpty else { return .nan }
    let place = fraction * Double(sorted.count - 1)
    let low = Int(place)
    let high = min(low + 1, sorted.count - 1)
    return sorted[low] + (sorted[high] - sorted[low]) * (place - Double(low))
  }
}

/// Steele, Lea and Flood's generator (2014): the same numbers for a seed in every run.
struct SplitMix64 {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return SplitMix64.mixed(state)
  }

  /// A number whose bits all depend on all of another's.
  static func mixed(_ number: UInt64) -> UInt64 {
    var z = number
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// A number in `0..<bound`; its bias is below bound / 2⁶⁴.
  mutating func next(below bound: UInt64) -> UInt64 { next().multipliedFullWidth(by: bound).high }
}
