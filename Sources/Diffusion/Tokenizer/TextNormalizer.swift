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

  private static func composed(_ scalars: ArraySlice<Unicode.Scalar>) -> [Unicode.Scalar] {
    if scalars.allSatisfy(\.isASCII) { return Array(scalars) }
    let text = String(String.UnicodeScalarView(scalars))
    return Array(text.precomposedStringWithCanonicalMapping.unicodeScalars)
  }
}
