import Foundation
import Testing

@testable import Diffusion

/// Expected ids are those of transformers 5.24 with the same files.
struct CLIPTokenizerTests {
  struct Case: Sendable {
    let text: String
    let ids: [Int]
  }

  static let cases = [
    Case(text: "The dog's cat", ids: [513, 515, 522, 517]),
    Case(text: "a DOG!!  12 caté", ids: [320, 515, 0, 256, 272, 273, 516, 83, 519]),
    Case(text: "catdogthe", ids: [516, 83, 514, 70, 513]),
    Case(text: "  ", ids: []),
    Case(text: "", ids: []),
    Case(text: "it're <|endoftext|>dog", ids: [72, 339, 6, 521, 524, 515]),
    Case(text: "<|ENDOFTEXT|>", ids: [27, 347, 68, 77, 514, 69, 83, 68, 87, 339, 91, 285]),
    Case(text: "\u{D0A4}\u{11A8} \u{301}x", ids: [169, 224, 354, 136, 479, 343]),
    Case(text: "!dog! ❤", ids: [256, 515, 256, 158, 251, 353]),
  ]

  @Test(arguments: cases)
  func ids(_ item: Case) throws {
    let folder = try TinyTokenizer.folder()
    let tokenizer = try CLIPTokenizer(folder: folder.path)
    #expect(tokenizer.encode(item.text) == item.ids)
    let padded = try tokenizer.ids(for: item.text)
    let expected = [523] + item.ids.prefix(10) + [524]
    #expect(padded == (expected + Array(repeating: 524, count: 12 - expected.count)).map(Int64.init))
  }

  @Test func paddingTokenOfStableDiffusion2() throws {
    let folder = try TinyTokenizer.folder([
      "special_tokens_map.json":
        #"{"pad_token": "!", "eos_token": {"content": "<|endoftext|>", "normalized": true}}"#
    ])
    let tokenizer = try CLIPTokenizer(folder: folder.path)
    #expect(tokenizer.paddingID == 0 && tokenizer.endID == 524 && tokenizer.beginningID == 523)
    #expect(try tokenizer.ids(for: "dog", length: 5) == [523, 515, 524, 0, 0])
    #expect(tokenizer.encode("!dog! ❤") == [0, 515, 0, 158, 251, 353])
    #expect(tokenizer.encode("wow!!!").suffix(3) == [0, 0, 0])
  }

  @Test func normalizedSpecialTokensMatchInAnyCase() throws {
    let folder = try TinyTokenizer.folder([
      "tokenizer_config.json": """
      {"added_tokens_decoder": {"524": {"content": "<|endoftext|>", "normalized": true, "special": true}}}
      """
    ])
    let tokenizer = try CLIPTokenizer(folder: folder.path)
    #expect(tokenizer.encode("a <|ENDOFTEXT|>") == [320, 524])
    #expect(tokenizer.maximumLength == 77 && tokenizer.vocabularySize == 525)
  }

  @Test func singleFileFolder() throws {
    let folder = try TemporaryFolder()
    let pairs = TinyTokenizer.merges.map(TinyTokenizer.quoted).joined(separator: ", ")
    try folder.write(
      "tokenizer.json",
      #"{"added_tokens": [{"id": 0, "content": "!", "special": true}], "model": {"vocab": "#
        + TinyTokenizer.vocabulary + #", "merges": ["# + pairs + "]}}")
    let tokenizer = try CLIPTokenizer(folder: folder.path)
    for item in CLIPTokenizerTests.cases.prefix(4) where !item.text.contains("!") {
      #expect(tokenizer.encode(item.text) == item.ids)
    }
    #expect(tokenizer.encode("!!") == [0, 0])
  }

  @Test func piecesKnowTheirWords() throws {
    let folder = try TinyTokenizer.folder()
    let tokenizer = try CLIPTokenizer(folder: folder.path)
    let tokens = tokenizer.tokens(for: "Dog's at<|endoftext|>")
    #expect(tokens.map(\.text) == ["dog</w>", "'s</w>", "at</w>", "<|endoftext|>"])
    #expect(tokens.map(\.word) == ["dog", "'s", "at", "<|endoftext|>"])
    #expect(tokens.map(\.wordIndex) == [0, 1, 2, 3])
    let split = tokenizer.tokens(for: "doge")
    #expect(split.map(\.text) == ["do", "g", "e</w>"] && Set(split.map(\.wordIndex)) == [0])
    for text in ["The dog's cat", "x1y2 é!"] {
      #expect(tokenizer.tokens(for: text).map(\.id) == tokenizer.encode(text))
    }
  }

  @Test func tooLongCaption() throws {
    let folder = try TinyTokenizer.folder()
    let tokenizer = try CLIPTokenizer(folder: folder.path)
    let longest = String(repeating: "a", count: CLIPTokenizer.maximumCharacters)
    #expect(try tokenizer.ids(for: longest).count == 12)
    let text = message { try tokenizer.ids(for: String(repeating: "a\n", count: 5000)) }
    #expect(text == "the caption “a a a a a a a a a a a a…” has 10000 characters; at most 8192 are allowed")
  }

  @Test func byteAlphabetIsOneToOne() {
    #expect(Set(ByteAlphabet.characters).count == 256)
    #expect(ByteAlphabet.characters[0x20] == "Ġ" && ByteAlphabet.characters[0x41] == "A")
  }
}
