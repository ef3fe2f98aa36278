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

  /// A part of a canvas: columns `left..<right`, rows `top..<bottom`.
  struct Area {
    var left, top, right, bottom: Int
  }

  /// Draws a line with round ends and smooth edges; a dot where both ends are one point. What lies outside the area is
  /// left out.
  mutating func line(
    from a: (x: Double, y: Double), to b: (x: Double, y: Double), width: Double, _ colour: Colour,
    inside area: Area
  ) {
    let (dx, dy) = (b.x - a.x, b.y - a.y)
    let length = dx * dx + dy * dy
    let reach = width / 2 + 1
    func bound(_ value: Double, _ low: Int, _ high: Int) -> Int {
      Int(min(max(value, Double(low)), Double(high)))
    }
    let rows = bound(min(a.y, b.y) - reach, max(area.top, 0), height)
    let rowEnd = bound(max(a.y, b.y) + reach + 1, 0, min(area.bottom, height))
    let columns = bound(min(a.x, b.x) - reach, max(area.left, 0), self.width)
    let columnEnd = bound(max(a.x, b.x) + reach + 1, 0, min(area.right, self.width))
    for y in rows..<max(rows, rowEnd) {
      for x in columns..<max(columns, columnEnd) {
        let (px, py) = (Double(x) + 0.5 - a.x, Double(y) + 0.5 - a.y)
        let along = length > 0 ? min(max((px * dx + py * dy) / length, 0), 1) : 0
        let (ox, oy) = (px - along * dx, py - along * dy)
        let cover = min(max(width / 2 + 0.5 - (ox * ox + oy * oy).squareRoot(), 0), 1)
        if cover > 0 { blend(x, y, colour, cover) }
      }
    }
  }

  private mutating func blend(_ x: Int, _ y: Int, _ colour: Colour, _ share: Double) {
    let place = (y * width + x) * 3
    for (channel, value) in [colour.red, colour.green, colour.blue].enumerated() {
      let old = Double(pixels[place + channel])
      pixels[place + channel] = UInt8((old + (Double(value) - old) * share).rounded())
    }
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
