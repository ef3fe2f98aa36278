import GraphIR

/// Which pixels a position between them is made of, and with which weights.
struct GridSampling: Sendable {
  enum Mode: String { case nearest, linear, cubic }
  enum Padding: String { case zeros, border, reflection }

  /// A pixel of a plane and its weight.
  struct Tap {
    var offset: Int
    var weight: Double
  }

  let mode: Mode
  let padding: Padding
  let alignsCorners: Bool

  /// The pixel coordinate of a position from -1 to 1.
  func pixel<T: BinaryFloatingPoint>(_ position: T, _ extent: Int) -> T {
    alignsCorners ? (position + 1) / 2 * T(extent - 1) : ((position + 1) * T(extent) - 1) / 2
  }

  /// The taps at a point of a plane with these extents; none where everything is padding.
  func taps(_ point: [Double], _ extents: [Int]) -> [Tap] {
    var taps = [Tap(offset: 0, weight: 1)]
    for (coordinate, extent) in zip(point, extents) {
      let own = self.taps(coordinate, extent)
      taps = taps.flatMap { tap in
        own.map { Tap(offset: tap.offset * extent + $0.offset, weight: tap.weight * $0.weight) }
      }
    }
    return taps
  }

  private func taps(_ coordinate: Double, _ extent: Int) -> [Tap] {
    var x = mode == .nearest ? coordinate.rounded(.toNearestOrEven) : coordinate
    switch padding {
    // What is farther away than any pixel would not even be an integer.
    case .zeros: if !(x > -4 && x < Double(extent) + 4) { return [] }
    case .border: x = x.isNaN ? 0 : min(max(x, 0), Double(extent - 1))
    case .reflection: x = reflected(x, extent)
    }
    let base = Int(x.rounded(.down))
    let f = x - Double(base)
    let weights: [Double]
    switch mode {
    case .nearest: weights = [1]
    case .linear: weights = [1 - f, f]
    case .cubic: weights = [far(1 + f), near(f), near(1 - f), far(2 - f)]
    }
    let first = mode == .cubic ? base - 1 : base
    return weights.enumerated().compactMap { place, weight in
      var position = first + place
      if position < 0 || position >= extent {
        switch padding {
        case .zeros: return nil
        case .border: position = min(max(position, 0), extent - 1)
        case .reflection: position = min(max(Int(reflected(Double(position), extent)), 0), extent - 1)
        }
      }
      return Tap(offset: position, weight: weight)
    }
  }

  /// A coordinate mirrored at the borders until it lies between them.
  private func reflected(_ x: Double, _ extent: Int) -> Double {
    let (low, high) = alignsCorners ? (0, Double(extent - 1)) : (-0.5, Double(extent) - 0.5)
    if x >= low && x <= high { return x }
    let length = high - low
    guard length > 0, x.isFinite else { return 0 }
    let phase = abs(x - low).truncatingRemainder(dividingBy: 2 * length)
    return low + (phase <= length ? phase : 2 * length - phase)
  }

  /// Keys' cubic with a = -0.75, up to a distance of 1 and from 1 to 2.
  private func near(_ x: Double) -> Double { (1.25 * x - 2.25) * x * x + 1 }
  private func far(_ x: Double) -> Double { ((-0.75 * x + 3.75) * x - 6) * x + 3 }
}
