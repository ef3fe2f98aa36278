/// Which examples a batch has: every epoch goes through all of them in an order of its own, a function of the seed and
/// the epoch's number alone. A batch may end one epoch and begin the next.
struct TrainingOrder {
  let count: Int
  let seed: UInt64
  private var epoch = -1
  private var order: [Int] = []

  init(count: Int, seed: UInt64) {
    self.count = count
    self.seed = seed
  }

  /// Places of the examples at `range` of the row of all epochs.
  mutating func places(_ range: Range<Int>) -> [Int] {
    range.map { number in
      if number / count != epoch {
        epoch = number / count
        var random = SplitMix64(seed, stream: .order, epoch)
        order = random.order(count)
      }
      return order[number % count]
    }
  }
}
