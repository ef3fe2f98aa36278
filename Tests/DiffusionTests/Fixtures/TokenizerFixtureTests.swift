import Foundation
import TestSupport
import Testing

@testable import Diffusion

/// Ids that `transformers` gives, written by `Tools/reference/make_tokenizer_cases.py`.
@Suite struct TokenizerFixtureTests {
  private struct Case: Decodable {
    let text: String
    let ids: [Int]
  }

  @Test(arguments: [("cases-pad-end", "sd15"), ("cases-pad-bang", "sd21base")])
  func equalIDs(file: String, checkpoint: String) throws {
    let tokenizer = try CLIPTokenizer(folder: Fixtures.path("checkpoints/\(checkpoint)/tokenizer"))
    let lines = try String(contentsOfFile: Fixtures.path("tokenizer/\(file).jsonl"), encoding: .utf8)
      .split(separator: "\n")
    #expect(lines.count > 300)
    var wrong: [String] = []
    for line in lines {
      let expected = try JSONDecoder().decode(Case.self, from: Data(line.utf8))
      // Captions that `ids(for:)` refuses for their length are among them; the file has no padding.
      let ids = [tokenizer.beginningID] + tokenizer.encode(expected.text).prefix(75) + [tokenizer.endID]
      if ids != expected.ids { wrong.append("\(line.prefix(300))\n  \(ids)") }
      guard expected.text.unicodeScalars.count <= CLIPTokenizer.maximumCharacters else { continue }
      let padding = [Int](repeating: tokenizer.paddingID, count: 77 - ids.count)
      #expect(try tokenizer.ids(for: expected.text).map { Int($0) } == ids + padding)
    }
    #expect(
      wrong.isEmpty,
      "\(wrong.count) of \(lines.count), the first:\n\(wrong.prefix(3).joined(separator: "\n"))")
  }
}
