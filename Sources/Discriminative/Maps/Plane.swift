import Foundation

/// A grid of numbers, row by row from the top.
struct Plane: Sendable, Equatable {
  let width: Int
  let height: Int
  var values: [Double]

  init(width: Int, height: Int, values: [Double]) {
    precondition(width > 0 && height > 0 && values.count == width * height)
    self.width = width
    self.height = height
    self.values = values
  }

  /// How values between the grid's are found.
  enum Filter {
    case linear
    /// Keys' cubic with a = −1/2: smooth, but it may go a little beyond the values around.
    case cubic

    fileprivate var support: Double { self == .linear ? 1 : 2 }

    fileprivate func weight(_ distance: Double) -> Double {
      let x = abs(distance)
      switch self {
      case .linear: return max(1 - x, 0)
      case .cubic:
        if x < 1 { return (1.5 * x - 2.5) * x * x + 1 }
        return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0
      }
    }
  }

  /// The plane on another grid over the same area. The cells' centres are at halves, as in torch's
  /// `interpolate(align_corners=False)`; at the edges the weights of what is there are scaled up to 1; when the
  /// grid gets coarser the filter is stretched.
  func resized(width: Int, height: Int, _ filter: Filter) -> Plane {
    guard width != self.width || height != self.height else { return self }
    let columns = Plane.mixes(from: self.width, to: width, filter)
    let rows = Plane.mixes(from: self.height, to: height, filter)
    var wide = [Double](repeating: 0, count: width * self.height)
    for y in 0..<self.height {
      for (x, mix) in columns.enumerated() {
        var sum = 0.0
        for (i, weight) in mix.weights.enumerated() { sum += weight * values[y * self.width + mix.first + i] }
        wide[y * width + x] = sum
      }
    }
    var result = [Double](repeating: 0, count: width * height)
    for (y, mix) in rows.enumerated() {
      for (i, weight) in mix.weights.enumerated() {
        let row = (mix.first + i) * width
        for x in 0..<width { result[y * width + x] += weight * wide[row + x] }
      }
    }
    return Plane(width: width, height: height, values: result)
  }

  /// For each place along an axis, the first place it mixes and the weights from there on.
  private static func mixes(
    from input: Int, to output: Int, _ filter: Filter
  ) -> [(first: Int, weights: [Double])] {
    let scale = Double(input) / Double(output)
    let stretch = max(scale, 1)
    let support = filter.support * stretch
    return (0..<output).map { place in
      let center = (Double(place) + 0.5) * scale
      let first = max(Int((center - support).rounded(.down)), 0)
      let end = min(Int((center + support).rounded(.up)), input)
      let weights = (first..<end).map { filter.weight((Double($0) + 0.5 - center) / stretch) }
      let sum = weights.reduce(0, +)
      return (first, weights.map { $0 / sum })
    }
  }
}
