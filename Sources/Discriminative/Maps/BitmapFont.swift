import Foundation

/// Letters of 5 × 9 pixels for labels in pictures: the printable characters of ASCII.
enum BitmapFont {
  static let glyphWidth = 5
  static let glyphHeight = 9
  /// From one character to the next.
  static let advance = 6

  /// For each character from space on, and last for any other, which pixels are set, row by row.
  static let glyphs: [[Bool]] = {
    let bands = art.split(separator: "\n\n").map { band in band.split(separator: "\n").map { Array($0.utf8) }
    }
    return bands.flatMap { rows in
      (0..<(rows[0].count + 1) / advance).map { place in
        rows.flatMap { row in (0..<glyphWidth).map { row[place * advance + $0] == UInt8(ascii: "#") } }
      }
    }
  }()

  /// The glyphs of a text: letters lose their accents, typographic marks become plain ones, and what the font
  /// lacks becomes an empty box.
  static func glyphs(of text: String) -> [Int] {
    let plain = text.map { replacements[$0] ?? String($0) }.joined()
      .folding(options: .diacriticInsensitive, locale: Locale(identifier: "en_US_POSIX"))
    return plain.map { character in
      guard let code = character.asciiValue, (32...126).contains(code) else { return glyphs.count - 1 }
      return Int(code) - 32
    }
  }

  private static let replacements: [Character: String] = [
    "“": "\"", "”": "\"", "‘": "'", "’": "'", "–": "-", "—": "-", "…": "...", "\u{A0}": " ", "\n": " ",
    "\t": " ",
    "ß": "ss",
  ]

  /// The width of so many characters in pixels.
  static func width(_ count: Int, scale: Int) -> Int { max(count * advance - 1, 0) * scale }
}
