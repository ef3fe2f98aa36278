import Foundation

/// Colours from dark violet over red to light yellow, for values from 0 to 1.
///
/// The colours lie on a path through OKLab (B. Ottosson, "A perceptual color space for image processing", 2020)
/// along which lightness only rises. The path is parted into steps of equal length, so equal differences of
/// value look equally large; in grey the order stays.
struct HeatScale: Sendable {
  /// sRGB, 8 bits.
  typealias Colour = (red: UInt8, green: UInt8, blue: UInt8)
  /// A colour in OKLab.
  typealias Lab = (lightness: Double, a: Double, b: Double)

  static let standard = HeatScale()

  /// From the lowest value to the highest.
  let colours: [Colour]

  /// The colour of a value; beyond 0…1 the nearest end's.
  subscript(value: Double) -> Colour {
    let last = Double(colours.count - 1)
    let place = value.isNaN ? 0 : min(max(value, 0), 1) * last
    return colours[Int(place.rounded())]
  }

  init(count: Int = 256) {
    let samples = 4096
    let path = (0...samples).map { HeatScale.path(Double($0) / Double(samples)) }
    var lengths = [0.0]
    for (a, b) in zip(path, path.dropFirst()) { lengths.append(lengths.last! + HeatScale.distance(a, b)) }
    var next = 0
    colours = (0..<count).map { step in
      let wanted = lengths.last! * Double(step) / Double(count - 1)
      while next < samples, lengths[next] < wanted { next += 1 }
      let bytes = HeatScale.linear(path[next]).map(HeatScale.byte)
      return (bytes[0], bytes[1], bytes[2])
    }
  }

  static func distance(_ a: Lab, _ b: Lab) -> Double {
    let (l, u, v) = (a.lightness - b.lightness, a.a - b.a, a.b - b.b)
    return (l * l + u * u + v * v).squareRoot()
  }

  /// The path at 0…1: lightness rises evenly, the hue turns from violet through red to yellow, and the chroma
  /// swells and falls, always inside of what sRGB can show.
  static func path(_ t: Double) -> Lab {
    let hue = (290 + 175 * t) * .pi / 180
    let chroma = 0.055 + 0.1 * sin(.pi * t) + 0.045 * t
    return (0.2 + 0.75 * t, chroma * cos(hue), chroma * sin(hue))
  }

  /// Red, green and blue in linear light.
  static func linear(_ lab: Lab) -> [Double] {
    func cube(_ a: Double, _ b: Double) -> Double {
      let root = lab.lightness + a * lab.a + b * lab.b
      return root * root * root
    }
    let l = cube(0.3963377774, 0.2158037573)
    let m = cube(-0.1055613458, -0.0638541728)
    let s = cube(-0.0894841775, -1.2914855480)
    return [
      4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
      -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
      -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s,
    ]
  }

  /// Linear light as an sRGB byte (IEC 61966-2-1).
  private static func byte(_ linear: Double) -> UInt8 {
    let value = min(max(linear, 0), 1)
    let encoded = value <= 0.0031308 ? 12.92 * value : 1.055 * pow(value, 1 / 2.4) - 0.055
    return UInt8((encoded * 255).rounded())
  }
}
