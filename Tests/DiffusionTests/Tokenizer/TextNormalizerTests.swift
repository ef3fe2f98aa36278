import Testing

@testable import Diffusion

struct TextNormalizerTests {
  private func normalized(_ text: String) -> [Unicode.Scalar] {
    TextNormalizer.normalized(Array(text.unicodeScalars)[...])
  }

  @Test(arguments: [
    ("A\tB\u{3000}\n c", "a b c"),
    ("cafe\u{301}", "caf\u{E9}"),
    ("ΣΑΣ", "σασ"),
    ("\u{130}", "i\u{307}"),
    ("\u{212B}", "\u{E5}"),
    // Marks are put in order.
    ("a\u{301}\u{323}", "\u{1EA1}\u{301}"),
    // Hangul, decomposed in three ways, and the four jamo beside its ranges.
    ("\u{1100}\u{1161}\u{11A8}", "\u{AC01}"),
    ("\u{AC00}\u{11A8}", "\u{AC01}"),
    ("\u{AC01}\u{11A8}", "\u{AC01}\u{11A8}"),
    ("\u{1113}\u{1161}", "\u{1113}\u{1161}"),
    ("\u{1100}\u{1176}", "\u{1100}\u{1176}"),
    ("\u{AC00}\u{11A7}", "\u{AC00}\u{11A7}"),
    ("\u{AC00}\u{11C3}", "\u{AC00}\u{11C3}"),
    // A mark of Unicode 14 keeps its place.
    ("a\u{30F}\u{89A}", "\u{201}\u{89A}"),
    ("b\u{30F}\u{89A}", "b\u{30F}\u{89A}"),
  ])
  func examples(_ text: String, _ expected: String) {
    #expect(normalized(text) == Array(expected.unicodeScalars))
  }

  @Test func wordsAreCutAsTheExpressionSays() {
    var words: [String] = []
    let text = "it's 12 <|endoftext|>! don''s ½ x\u{301}y \u{2F8}'"
    WordSplitter.forEachWord(of: Array(text.unicodeScalars)[...]) {
      words.append(String(String.UnicodeScalarView($0)))
    }
    #expect(
      words == [
        "it", "'s", "1", "2", "<|", "endoftext", "|>", "!", "don", "''", "s", "½", "x", "\u{301}", "y",
        "\u{2F8}'",
      ])
  }
}
