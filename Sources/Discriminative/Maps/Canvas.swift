import Diffusion

/// A picture to draw on.
struct Canvas {
  typealias Colour = HeatScale.Colour
  static let black: Colour = (24, 24, 27)
  static let grey: Colour = (113, 113, 122)
  static let white: Colour = (255, 255, 255)

  let width: Int
  let height: Int
  private var pixels: [UInt8]

  init(width: Int, height: Int) {
    self.width = width
    self.height = height
    pixels = [UInt8](repeating: 255, count: width * height * 3)
  }

  var image: RGBImage { RGBImage(width: width, height: height, pixels: pixels) }

  /// Fills a rectangle; what lies outside the canvas is left out.
  mutating func fill(x: Int, y: Int, width: Int, height: Int, _ colour: Colour) {
    for row in max(y, 0)..<max(min(y + height, self.height), max(y, 0)) {
      for column in max(x, 0)..<max(min(x + width, self.width), max(x, 0)) {
        set(column, row, colour)
      }
    }
  }

  private mutating func set(_ x: Int, _ y: Int, _ colour: Colour) {
    let place = (y * width + x) * 3
    pixels[place] = colour.red
    pixels[place + 1] = colour.green
    pixels[place + 2] = colour.blue
  }

  /// Puts an image's left upper corner at a place, with room for all of it.
  mutating func draw(_ image: RGBImage, x: Int, y: Int) {
    precondition(x >= 0 && y >= 0 && x + image.width <= width && y + image.height <= height)
    for row in 0..<image.height {
      let start = row * image.width * 3
      let target = ((y + row) * width + x) * 3
      pixels.replaceSubrange(
        target..<target + image.width * 3, with: image.pixels[start..<start + image.width * 3])
    }
  }

  /// Writes glyphs; `scale` is the size of a glyph's pixel, strokes are half as wide again.
  mutating func write(_ glyphs: [Int], x: Int, y: Int, scale: Int, _ colour: Colour) {
    for (place, glyph) in glyphs.enumerated() {
      for (pixel, isSet) in BitmapFont.glyphs[glyph].enumerated() where isSet {
        fill(
          x: x + (place * BitmapFont.advance + pixel % BitmapFont.glyphWidth) * scale,
          y: y + pixel / BitmapFont.glyphWidth * scale, width: scale + scale / 2, height: scale,
          colour)
      }
    }
  }

  /// Writes a text.
  mutating func write(_ text: String, x: Int, y: Int, scale: Int, _ colour: Colour) {
    write(BitmapFont.glyphs(of: text), x: x, y: y, scale: scale, colour)
  }
}
