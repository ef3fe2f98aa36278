import Diffusion

/// A photograph with a map laid over it.
enum HeatPanel {
  /// - Parameters:
  ///   - photo: at the size of the result.
  ///   - map: any grid over the same area.
  ///   - range: the values of the scale's ends.
  static func image(_ photo: RGBImage, _ map: Plane, range: ClosedRange<Double>) -> RGBImage {
    let heat = map.resized(width: photo.width, height: photo.height, .cubic)
    let extent = range.upperBound - range.lowerBound
    let greys = greys(of: photo)
    var pixels = [UInt8](repeating: 0, count: photo.pixels.count)
    for place in greys.indices {
      let value = extent > 0 ? min(max((heat.values[place] - range.lowerBound) / extent, 0), 1) : 0
      let colour = mixed(HeatScale.standard[value], grey: greys[place])
      pixels[3 * place] = colour.red
      pixels[3 * place + 1] = colour.green
      pixels[3 * place + 2] = colour.blue
    }
    return RGBImage(width: photo.width, height: photo.height, pixels: pixels)
  }

  /// The photograph without colour (luma by Rec. 601), its darkest part at 40 and its lightest at 216: it keeps its
  /// shapes, colour belongs to the map, and neither black nor white hides it.
  private static func greys(of photo: RGBImage) -> [Double] {
    let weights = [0.299, 0.587, 0.114]
    let lumas = (0..<photo.width * photo.height).map { place in
      (0..<3).reduce(0.0) { $0 + weights[$1] * Double(photo.pixels[3 * place + $1]) }
    }
    let low = lumas.min()!
    let extent = lumas.max()! - low
    return lumas.map { extent > 0 ? 40 + 176 * ($0 - low) / extent : 128 }
  }

  /// Heat over grey.
  static func mixed(_ heat: HeatScale.Colour, grey: Double) -> HeatScale.Colour {
    func mixed(_ value: UInt8) -> UInt8 { UInt8((opacity * Double(value) + (1 - opacity) * grey).rounded()) }
    return (mixed(heat.red), mixed(heat.green), mixed(heat.blue))
  }

  /// The share of the heat in a panel's colour.
  private static let opacity = 0.6

  /// The photograph so large that its longer side has `size` pixels.
  static func photo(_ image: RGBImage, size: Int) -> RGBImage {
    let longest = max(image.width, image.height)
    func scaled(_ side: Int) -> Int { max(1, (side * size + longest / 2) / longest) }
    return image.resized(width: scaled(image.width), height: scaled(image.height), filter: .bicubic)
  }
}
