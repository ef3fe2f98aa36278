#if canImport(Glibc)
  import Glibc
#endif

/// The interpolation filters of Pillow that images are resized with.
///
/// When an image shrinks, the filter is stretched by the scale, so that every source pixel counts
/// (antialiasing).
public enum Resampling: String, Sendable, CaseIterable {
  case bilinear, bicubic, lanczos

  /// How far the filter reaches from its centre, in pixels.
  var support: Double {
    switch self {
    case .bilinear: 1
    case .bicubic: 2
    case .lanczos: 3
    }
  }

  /// The filter's value at a distance from its centre.
  func weight(_ distance: Double) -> Double {
    let x = abs(distance)
    switch self {
    case .bilinear: return x < 1 ? 1 - x : 0
    case .bicubic:
      // Keys' cubic with a = −1/2.
      let a = -0.5
      if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
    case .lanczos:
      return distance >= -3 && distance < 3 ? Resampling.sinc(distance) * Resampling.sinc(distance / 3) : 0
    }
  }

  private static func sinc(_ x: Double) -> Double {
    x == 0 ? 1 : sin(x * Double.pi) / (x * Double.pi)
  }
}

/// For every output place along one axis, which inputs it mixes and how much of each.
struct ResamplingWeights {
  /// Weights are integers with this many fraction bits; a sum of 8-bit products fits 32 bits with 2 to spare.
  static let fractionBits: Int32 = 32 - 8 - 2

  /// The first input of each output.
  private(set) var starts: [Int] = []
  /// How many inputs each output mixes.
  private(set) var counts: [Int] = []
  /// `[output, slots]`; places beyond the count are 0.
  private(set) var weights: [Int32]
  /// Weights kept for each output.
  let slots: Int

  /// Weights for resizing `input` places to `output`, by Pillow's rules: pixel centres lie at halves,
  /// weights are normalised in float64 and rounded to fixed point away from zero at halves.
  init(input: Int, output: Int, filter: Resampling) {
    let scale = Double(input) / Double(output)
    let stretch = max(scale, 1)
    let support = filter.support * stretch
    slots = Int(support.rounded(.up)) * 2 + 1
    weights = [Int32](repeating: 0, count: output * slots)
    starts.reserveCapacity(output)
    counts.reserveCapacity(output)
    var row = [Double](repeating: 0, count: slots)
    for place in 0..<output {
      let center = (Double(place) + 0.5) * scale
      let first = max(Int(center - support + 0.5), 0)
      let end = min(Int(center + support + 0.5), input)
      var sum = 0.0
      for i in first..<end {
        let weight = filter.weight((Double(i) - center + 0.5) * (1 / stretch))
        row[i - first] = weight
        sum += weight
      }
      for i in 0..<(end - first) {
        let weight = (sum != 0 ? row[i] / sum : row[i]) * Double(1 << ResamplingWeights.fractionBits)
        weights[place * slots + i] = Int32(weight < 0 ? weight - 0.5 : weight + 0.5)
      }
      starts.append(first)
      counts.append(end - first)
    }
  }
}
