import Foundation
import GraphIR

/// How Resize maps output positions to input coordinates and weighs the inputs around them. Formulas are
/// those of ONNX's Resize (opset 19).
struct ResizeMethod: Sendable {
  enum Mode: String { case nearest, linear, cubic }
  enum Coordinates: String {
    case halfPixel = "half_pixel"
    case halfPixelSymmetric = "half_pixel_symmetric"
    case pytorchHalfPixel = "pytorch_half_pixel"
    case alignCorners = "align_corners"
    case asymmetric
    case cropAndResize = "tf_crop_and_resize"
    /// Opset 11 only.
    case halfPixelNearest = "tf_half_pixel_for_nn"
  }
  enum Nearest: String {
    case roundPreferFloor = "round_prefer_floor"
    case roundPreferCeil = "round_prefer_ceil"
    case floor, ceil
    /// Before opset 11: down when growing, up when shrinking.
    case simple
  }

  var mode = Mode.nearest
  var coordinates = Coordinates.asymmetric
  var nearest = Nearest.simple
  var cubicA = -0.75
  var excludeOutside = false
  var antialias = false
  var extrapolation: Float = 0
}

/// One axis of a resize.
struct ResizeAxis {
  let method: ResizeMethod
  let input: Int
  let output: Int
  /// Output extent over input extent, as given; `input * scale` need not be whole.
  let scale: Double
  /// The part of the axis that cropping looks at, 0 to 1.
  var start = 0.0
  var end = 1.0

  /// Whether the axis stays as it is.
  var isIdentity: Bool {
    input == output && scale == 1
      && (method.coordinates != .cropAndResize || (start == 0 && end == 1))
  }

  /// The input coordinate of an output position. Mode nearest takes it in float32, whose rounding lands on
  /// the whole numbers and halves that a scale such as 0.6 (in a float32 tensor) stands for.
  func coordinate<T: BinaryFloatingPoint>(_ position: Int, in type: T.Type = T.self) -> T {
    let x = T(position)
    let length = T(input)
    let scale = T(self.scale)
    // Kept fractional, as ONNX's reference does: 4 · 0.6 is 2.4 here, though the output has 2 positions.
    let resized = length * scale
    switch method.coordinates {
    case .halfPixel: return (x + 0.5) / scale - 0.5
    case .halfPixelSymmetric:
      let offset = length / 2 * (1 - T(output) / resized)
      return offset + (x + 0.5) / scale - 0.5
    case .pytorchHalfPixel: return output > 1 ? (x + 0.5) / scale - 0.5 : 0
    case .alignCorners: return resized == 1 ? 0 : x * (length - 1) / (resized - 1)
    case .asymmetric: return x / scale
    case .halfPixelNearest: return (x + 0.5) / scale
    case .cropAndResize:
      let (start, end) = (T(self.start), T(self.end))
      if resized == 1 { return (end - start) * (length - 1) / 2 + start * (length - 1) }
      return x * (end - start) * (length - 1) / (resized - 1) + start * (length - 1)
    }
  }

  private func isOutside<T: BinaryFloatingPoint>(_ coordinate: T) -> Bool {
    method.coordinates == .cropAndResize && (coordinate < 0 || coordinate > T(input - 1))
  }

  private func clamped<T: BinaryFloatingPoint>(_ position: T) -> Int {
    // Rounding of a huge extent may end above it.
    min(Int(min(max(position, 0), T(input - 1))), input - 1)
  }

  /// Input positions of mode nearest, -1 where the extrapolation value goes.
  func nearestMap() -> [Int] {
    if isIdentity { return Array(0..<output) }
    return (0..<output).map {
      let x = coordinate($0, in: Float.self)
      if isOutside(x) { return -1 }
      switch method.nearest {
      case .floor: return clamped(x.rounded(.down))
      case .ceil: return clamped(x.rounded(.up))
      case .roundPreferFloor: return clamped((x - 0.5).rounded(.up))
      case .roundPreferCeil: return clamped((x + 0.5).rounded(.down))
      case .simple: return clamped(x.rounded(scale < 1 ? .up : .down))
      }
    }
  }

  /// Taps of modes linear and cubic.
  func taps() -> ResampleTaps {
    let cubic = method.mode == .cubic
    // Shrinking with antialias widens the filter.
    let stretch = method.antialias ? min(scale, 1) : 1
    let reach = Int(((cubic ? 2 : 1) / stretch).rounded(.up))
    let width = 2 * reach
    var positions: [Int] = []
    var weights: [Double] = []
    var outside: [Bool] = []
    for place in 0..<output {
      let x = coordinate(place, in: Double.self)
      outside.append(isOutside(x))
      let first = x.rounded(.down) - Double(reach - 1)
      var taps = (0..<width).map { weight((first + Double($0) - x) * stretch) }
      for tap in 0..<width where method.excludeOutside {
        let position = first + Double(tap)
        if position < 0 || position > Double(input - 1) { taps[tap] = 0 }
      }
      let sum = taps.reduce(0, +)
      if (method.antialias || method.excludeOutside) && sum != 0 { taps = taps.map { $0 / sum } }
      weights += taps
      positions += (0..<width).map { clamped(first + Double($0)) }
    }
    return ResampleTaps(width: width, positions: positions, weights: weights, outside: outside)
  }

  /// The filter at a distance: a triangle, or Keys' cubic with parameter a.
  private func weight(_ distance: Double) -> Double {
    let x = abs(distance)
    if method.mode == .linear { return max(0, 1 - x) }
    let a = method.cubicA
    if x <= 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0
  }
}
