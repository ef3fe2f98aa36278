import GraphIR

/// Weighted sums of input positions that give the output positions along one axis of a resize.
struct ResampleTaps {
  /// Taps per output position, at least 2.
  let width: Int
  /// Input positions `[outputs, width]`, all inside the input.
  let positions: [Int]
  let weights: [Double]
  /// Output positions that take the extrapolation value instead.
  let outside: [Bool]

  var count: Int { outside.count }

  /// Applies the taps to the middle axis of `x`: `[outer, n, inner]` to `[outer, count, inner]`. Sums run
  /// over the taps in order.
  func apply<T: BinaryFloatingPoint>(
    _ x: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>, outer: Int, extent: Int, inner: Int,
    extrapolation: T, _ pool: ThreadPool
  ) {
    let weights = self.weights.map { T($0) }
    let width = self.width
    let count = self.count
    func rows(_ range: Range<Int>) {
      for row in range {
        let block = row / count
        let place = row - block * count
        let line = y + row * inner
        if outside[place] {
          line.update(repeating: extrapolation, count: inner)
          continue
        }
        let from = x + block * extent * inner
        for tap in 0..<width where tap != 1 {
          let weight = weights[place * width + tap]
          let source = from + positions[place * width + tap] * inner
          if tap == 0 {
            // The first two together spare a pass over the line.
            let second = weights[place * width + 1]
            let other = from + positions[place * width + 1] * inner
            for i in 0..<inner { line[i] = weight * source[i] + second * other[i] }
          } else {
            for i in 0..<inner { line[i] += weight * source[i] }
          }
        }
      }
    }
    func lines(_ range: Range<Int>) {
      positions.withUnsafeBufferPointer { positions in
        weights.withUnsafeBufferPointer { weights in
          outside.withUnsafeBufferPointer { outside in
            for block in range {
              let from = x + block * extent
              let line = y + block * count
              for place in 0..<count {
                let first = place &* width
                var sum = weights[first] * from[positions[first]]
                for tap in first &+ 1..<first &+ width { sum += weights[tap] * from[positions[tap]] }
                line[place] = outside[place] ? extrapolation : sum
              }
            }
          }
        }
      }
    }
    if outer == 0 || count == 0 || inner == 0 { return }
    if inner == 1 {
      pool.forRanges(outer, grain: max(1, (1 << 14) / (count * width)), lines)
    } else {
      pool.forRanges(outer * count, grain: max(1, (1 << 14) / (inner * width)), rows)
    }
  }
}
