/// Cuts normalised text into the words that byte pairs are merged in.
///
/// Words are the matches of
/// `<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+`,
/// leftmost and by the first alternative that fits; what lies between them is dropped.
enum WordSplitter {
  private enum Kind { case letter, number, space, other }

  private static let contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"].map(scalars)
  /// Special tokens that were not recognised as such; a second pass over their letters cuts them in three.
  private static let brackets = ["startoftext", "endoftext"].map { ["<|", $0, "|>"].map(scalars) }

  private static func scalars(_ text: String) -> [Unicode.Scalar] { Array(text.unicodeScalars) }

  /// Calls `body` with every word in order.
  static func forEachWord(
    of text: ArraySlice<Unicode.Scalar>, _ body: (ArraySlice<Unicode.Scalar>) -> Void
  ) {
    var position = text.startIndex
    func run(from start: Int, of wanted: Kind) -> Int {
      text[start...].firstIndex { kind($0) != wanted } ?? text.endIndex
    }
    while position < text.endIndex {
      let rest = text[position...]
      if rest.first == "<", let parts = brackets.first(where: { rest.starts(with: $0.joined()) }) {
        for part in parts {
          body(text[position..<position + part.count])
          position += part.count
        }
        continue
      }
      if rest.first == "'", let match = contractions.first(where: { rest.starts(with: $0) }) {
        body(rest.prefix(match.count))
        position += match.count
        continue
      }
      let kind = kind(text[position])
      let end = kind == .number ? position + 1 : run(from: position, of: kind)
      if kind != .space { body(text[position..<end]) }
      position = end
    }
  }

  /// By Unicode 16, like the regular expressions of the tokenizers library: younger letters are no letters.
  private static func kind(_ scalar: Unicode.Scalar) -> Kind {
    guard scalar.isKnown(toUnicode: 16) else { return .other }
    return switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: .letter
    case .decimalNumber, .letterNumber, .otherNumber: .number
    default: scalar.properties.isWhitespace ? .space : .other
    }
  }
}
