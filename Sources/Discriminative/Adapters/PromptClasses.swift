/// The classes of a graph whose prompt tokens differ between captions.
struct PromptClasses: Sendable {
  let names: [String]

  /// The class of a caption: the one with the most words of those whose words stand in it one after the other, in
  /// whatever letter case. A class without words takes the captions that are left.
  /// - Throws: `DataError` when none fits.
  func index(of caption: String) throws -> Int {
    let words = PromptClasses.words(of: caption)
    let fitting = names.indices.filter { words.contains(PromptClasses.words(of: names[$0])) }
    // Of several as long the first counts.
    let longest = fitting.max { a, b in
      (PromptClasses.words(of: names[a]).count, b) < (PromptClasses.words(of: names[b]).count, a)
    }
    guard let longest else {
      let listed = names.map { "'\($0)'" }.joined(separator: ", ")
      throw DataError("the caption “\(caption)” names none of the prompt tokens' classes \(listed)")
    }
    return longest
  }

  private static func words(of text: String) -> [Substring] {
    text.lowercased().split { !$0.isLetter && !$0.isNumber }
  }
}
