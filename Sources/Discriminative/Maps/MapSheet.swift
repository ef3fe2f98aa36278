import Diffusion

/// One picture of a caption's maps: the caption, the photograph, a labelled panel for each word, and the scale.
struct MapSheet {
  /// At a panel's size.
  let photo: RGBImage
  let caption: String
  /// Labels with their panels.
  let panels: [(label: String, image: RGBImage)]
  /// What stands beside the scale.
  let note: String

  private static let margin = 16
  private static let textScale = 2
  private static let lineHeight = (BitmapFont.glyphHeight + 3) * textScale

  /// The whole sheet.
  func draw() -> RGBImage {
    let all = [(label: "image", image: photo)] + panels
    let columns = MapSheet.columns(all.count)
    let rows = (all.count + columns - 1) / columns
    let cellWidth = photo.width + MapSheet.margin
    let cellHeight = photo.height + MapSheet.lineHeight + MapSheet.margin
    let width = max(columns * cellWidth + MapSheet.margin, MapSheet.leastWidth)
    let title = MapSheet.lines(of: caption, width: width - 2 * MapSheet.margin)
    let top = MapSheet.margin + title.count * MapSheet.lineHeight + MapSheet.margin / 2
    let legend = legendLines(width: width - 2 * MapSheet.margin)
    let bottom = top + rows * cellHeight
    var canvas = Canvas(
      width: width,
      height: bottom + MapSheet.margin + (1 + legend.count) * MapSheet.lineHeight + MapSheet.margin / 2)
    for (line, glyphs) in title.enumerated() {
      canvas.write(
        glyphs, x: MapSheet.margin, y: MapSheet.margin + line * MapSheet.lineHeight,
        scale: MapSheet.textScale, Canvas.black)
    }
    for (place, panel) in all.enumerated() {
      let x = MapSheet.margin + place % columns * cellWidth
      let y = top + place / columns * cellHeight
      MapSheet.label(panel.label, &canvas, x: x, y: y, width: photo.width)
      canvas.draw(panel.image, x: x, y: y + MapSheet.lineHeight)
    }
    drawScale(&canvas, y: bottom, legend)
    return canvas.image
  }

  /// Room for the scale.
  private static let leastWidth = 2 * margin + 410

  /// One row up to five panels, else four to six columns, those that leave the fewest places empty.
  static func columns(_ count: Int) -> Int {
    func empty(_ columns: Int) -> Int { (columns - count % columns) % columns }
    return count <= 5 ? count : (4...6).min { (empty($0), -$0) < (empty($1), -$1) }!
  }

  /// A label in the middle above a panel; one that is too wide is written smaller, then cut.
  private static func label(_ text: String, _ canvas: inout Canvas, x: Int, y: Int, width: Int) {
    var glyphs = BitmapFont.glyphs(of: text)
    var scale = textScale
    while scale > 1, BitmapFont.width(glyphs.count, scale: scale) > width { scale -= 1 }
    while BitmapFont.width(glyphs.count, scale: scale) > width { glyphs.removeLast() }
    let left = x + (width - BitmapFont.width(glyphs.count, scale: scale)) / 2
    canvas.write(glyphs, x: left, y: y + (textScale - scale) * 4, scale: scale, Canvas.black)
  }

  /// Words in lines of at most `width` pixels; at most four lines.
  static func lines(of text: String, width: Int) -> [[Int]] {
    let most = max((width / textScale + 1) / BitmapFont.advance, 1)
    var lines: [[Int]] = [[]]
    for word in text.split(whereSeparator: \.isWhitespace) {
      var glyphs = BitmapFont.glyphs(of: String(word))
      let space = lines.last!.isEmpty ? 0 : 1
      if lines.last!.count + space + glyphs.count > most, !lines.last!.isEmpty { lines.append([]) }
      while glyphs.count > most {
        lines[lines.count - 1] += glyphs.prefix(most)
        glyphs.removeFirst(most)
        lines.append([])
      }
      if !lines.last!.isEmpty { lines[lines.count - 1].append(0) }
      lines[lines.count - 1] += glyphs
    }
    guard lines.count > 4 else { return lines }
    let dots = BitmapFont.glyphs(of: "...")
    lines[3] = Array(lines[3].prefix(max(most - 3, 0))) + dots
    return Array(lines.prefix(4))
  }

  private func legendLines(width: Int) -> [[Int]] { MapSheet.lines(of: note, width: width) }

  private func drawScale(_ canvas: inout Canvas, y: Int, _ legend: [[Int]]) {
    let low = "little"
    let high = "much attention"
    var x = MapSheet.margin
    canvas.write(low, x: x, y: y, scale: MapSheet.textScale, Canvas.black)
    x += BitmapFont.width(low.count + 1, scale: MapSheet.textScale)
    let length = 128
    let height = 7 * MapSheet.textScale
    for i in 0..<length {
      let heat = HeatScale.standard[Double(i) / Double(length - 1)]
      canvas.fill(x: x + i, y: y, width: 1, height: height, HeatPanel.mixed(heat, grey: 128))
    }
    x += length + BitmapFont.advance * MapSheet.textScale
    canvas.write(high, x: x, y: y, scale: MapSheet.textScale, Canvas.black)
    for (line, glyphs) in legend.enumerated() {
      canvas.write(
        glyphs, x: MapSheet.margin, y: y + (1 + line) * MapSheet.lineHeight, scale: MapSheet.textScale,
        Canvas.grey)
    }
  }
}
