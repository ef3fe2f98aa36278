import Foundation

/// The clean-up of captions that `transformers.CLIPTokenizer` does before it looks for words.
enum TextNormalizer {
  /// NFC, then each run of white space becomes one space, then lower case scalar by scalar (no rules that
  /// look at neighbours: Σ is always σ).
  static func normalized(_ scalars: ArraySlice<Unicode.Scalar>) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(scalars.count)
    var afterSpace = false
    for scalar in composed(scalars) {
      let isSpace = scalar.properties.isWhitespace
      defer { afterSpace = isSpace }
      if isSpace {
        if !afterSpace { result.append(" ") }
      } else if scalar.isASCII {
        let upper = scalar.value >= 0x41 && scalar.value <= 0x5A
        result.append(upper ? Unicode.Scalar(UInt8(scalar.value) + 32) : scalar)
      } else {
        result.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
      }
    }
    return result
  }

  /// NFC by the tables of Unicode 9, which is what the tokenizers library has: younger scalars combine with
  /// nothing and stay where they are.
  private static func composed(_ scalars: ArraySlice<Unicode.Scalar>) -> [Unicode.Scalar] {
    if scalars.allSatisfy(\.isASCII) { return Array(scalars) }
    var result: [Unicode.Scalar] = []
    var rest = scalars
    while let first = rest.first {
      if canCombine(first) {
        let part = rest.prefix(while: canCombine)
        // Foundation joins a Hangul syllable and a following final consonant only when the syllable was
        // decomposed before.
        let text = String(String.UnicodeScalarView(part)).decomposedStringWithCanonicalMapping
        result += text.precomposedStringWithCanonicalMapping.unicodeScalars
        rest = rest[part.endIndex...]
      } else {
        result.append(first)
        rest.removeFirst()
      }
    }
    return result
  }

  /// False for scalars that combine with no neighbour. Four jamo are named because Foundation takes them,
  /// each one place outside its range, for a leading consonant, a vowel and final consonants.
  private static func canCombine(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "\u{1113}", "\u{1176}", "\u{11A7}", "\u{11C3}": false
    default: scalar.isKnown(toUnicode: 9)
    }
  }
}

extension Unicode.Scalar {
  /// Whether a version of Unicode has the scalar; unassigned ones are in none.
  func isKnown(toUnicode version: Int) -> Bool {
    isASCII || properties.age.map { $0.major <= version } ?? false
  }
}
