import Testing

@testable import Discriminative

@Suite struct MapSheetTests {
  @Test func font() {
    #expect(BitmapFont.glyphs.count == 96)
    #expect(Set(BitmapFont.glyphs).count == 96)
    #expect(BitmapFont.glyphs.allSatisfy { $0.count == BitmapFont.glyphWidth * BitmapFont.glyphHeight })
    #expect(BitmapFont.glyphs[0].allSatisfy { !$0 })
    #expect(BitmapFont.glyphs(of: "Größe…") == BitmapFont.glyphs(of: "Grosse..."))
    #expect(BitmapFont.glyphs(of: "日") == [95] && BitmapFont.glyphs(of: "A") == [33])
  }

  @Test func lines() {
    let text = "one two three"
    let width = BitmapFont.width(7, scale: 2)
    #expect(MapSheet.lines(of: text, width: width).map(\.count) == [7, 5])
    #expect(MapSheet.lines(of: text, width: width - 1).map(\.count) == [3, 3, 5])
    // A word longer than a line is broken; a text longer than four lines ends in dots.
    #expect(MapSheet.lines(of: "abcdefghij", width: width).map(\.count) == [7, 3])
    let long = MapSheet.lines(of: String(repeating: "word ", count: 40), width: width)
    #expect(long.count == 4 && long[3].suffix(3) == BitmapFont.glyphs(of: "...")[...])
    #expect(long.allSatisfy { $0.count <= 7 })
  }

  @Test func columns() {
    #expect((1...13).map(MapSheet.columns) == [1, 2, 3, 4, 5, 6, 4, 4, 5, 5, 6, 6, 5])
  }

  private func photo(_ width: Int, _ height: Int, _ level: UInt8 = 90) -> RGBImage {
    RGBImage(width: width, height: height, pixels: Array(repeating: level, count: width * height * 3))
  }

  /// Panels lie where they should: the photograph first, then one a word.
  @Test func layout() {
    let map = Plane(width: 2, height: 2, values: [0, 1, 0, 1])
    let panel = HeatPanel.image(photo(64, 48), map, range: 0...1)
    let sheet = MapSheet(
      photo: photo(64, 48), caption: "a dog", panels: [("a", panel), ("dog", panel)], note: "note"
    ).draw()
    func pixel(_ image: RGBImage, _ x: Int, _ y: Int) -> [UInt8] {
      Array(image.pixels[(y * image.width + x) * 3..<(y * image.width + x) * 3 + 3])
    }
    let rows = (0..<sheet.height).filter { pixel(sheet, 16, $0) == [90, 90, 90] }
    #expect(rows.count == 48)
    let top = rows[0]
    for y in stride(from: 0, to: 48, by: 7) {
      for x in stride(from: 0, to: 64, by: 5) {
        #expect(pixel(sheet, 16 + 80 + x, top + y) == pixel(panel, x, y))
        #expect(pixel(sheet, 16 + 160 + x, top + y) == pixel(panel, x, y))
      }
    }
    // The label is above the panel, in dark letters.
    let label = (top - 24..<top).flatMap { y in (96..<160).map { pixel(sheet, $0, y) } }
    #expect(label.contains([24, 24, 27]))
  }

  /// Low values are dark, high ones light, whatever the photograph shows.
  @Test func panel() {
    let map = Plane(width: 2, height: 1, values: [3, 5])
    for level in [UInt8(0), 255] {
      let panel = HeatPanel.image(photo(64, 32, level), map, range: 3...5)
      let (low, high) = (Int(panel.pixels[0]), Int(panel.pixels[63 * 3]))
      #expect(high - low > 100)
    }
    let flat = HeatPanel.image(photo(8, 8), map, range: 3...3)
    #expect(Set(flat.pixels).count <= 3)
    #expect(HeatPanel.photo(photo(40, 100), size: 256).height == 256)
    #expect(HeatPanel.photo(photo(40, 100), size: 256).width == 102)
    #expect(HeatPanel.photo(photo(5000, 1), size: 64).height == 1)
  }
}
