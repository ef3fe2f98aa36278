import Testing

@testable import Diffusion

/// Folders that cannot be used end with one line that names the file.
struct TokenizerFilesTests {
  struct Case: Sendable {
    let file: String
    let text: String
    /// What the message ends with.
    let reason: String
  }

  @Test(arguments: [
    Case(file: "vocab.json", text: "", reason: "malformed JSON in line 1: the text ends too early"),
    Case(file: "vocab.json", text: "[]", reason: "a JSON object expected, not a list"),
    Case(file: "vocab.json", text: "{}", reason: "an empty vocabulary"),
    Case(file: "vocab.json", text: #"{"a": "b"}"#, reason: "every token needs an id of 0 or more"),
    Case(file: "vocab.json", text: #"{"a": -1}"#, reason: "every token needs an id of 0 or more"),
    Case(
      file: "vocab.json", text: #"{"a": 1}"#,
      reason: "neither “Ā” nor the unknown token “<|endoftext|>”"),
    Case(
      file: "merges.txt", text: "a\n", reason: "line 1: two tokens with a space between them expected"),
    Case(
      file: "merges.txt", text: "#version: 1\nq q\n",
      reason: "merge 1 needs “qq”, which the vocabulary lacks"),
    Case(
      file: "tokenizer_config.json", text: #"{"model_max_length": "x"}"#,
      reason: "model_max_length: a number expected, not a string"),
    Case(
      file: "tokenizer_config.json", text: #"{"model_max_length": 1}"#,
      reason: "model_max_length: an integer of 2 or more expected"),
    Case(
      file: "tokenizer_config.json", text: #"{"pad_token": 3}"#,
      reason: "pad_token: a token as a string or an object expected, not an integer"),
    Case(
      file: "tokenizer_config.json", text: #"{"pad_token": {"content": "!", "lstrip": true}}"#,
      reason: "pad_token: lstrip: is not supported"),
    Case(
      file: "tokenizer_config.json", text: #"{"pad_token": ""}"#, reason: "pad_token: an empty token"),
    Case(file: "special_tokens_map.json", text: "{", reason: "a name in quotes expected"),
    Case(file: "tokenizer.json", text: "{}", reason: "model: missing"),
    Case(
      file: "tokenizer.json", text: #"{"model": {"vocab": {"a": 0}, "merges": ["a"]}}"#,
      reason: "model.merges: pairs of tokens expected"),
  ])
  func malformed(_ item: Case) throws {
    let folder = try TinyTokenizer.folder([item.file: item.text])
    let text = message { try CLIPTokenizer(folder: folder.path) }
    #expect(text.hasPrefix("\(folder.path)/\(item.file): "), "\(text)")
    #expect(text.hasSuffix(item.reason), "\(text)")
  }

  @Test func missingFiles() throws {
    let folder = try TemporaryFolder()
    #expect(message { try CLIPTokenizer(folder: folder.path) }.hasPrefix(folder.path + "/vocab.json: "))
    try folder.write("vocab.json", TinyTokenizer.vocabulary)
    #expect(message { try CLIPTokenizer(folder: folder.path) }.hasPrefix(folder.path + "/merges.txt: "))
    try folder.write("merges.txt", TinyTokenizer.mergesText)
    #expect(try CLIPTokenizer(folder: folder.path).maximumLength == 77)
  }

  @Test func windowsLineEndsAndHugeLength() throws {
    let folder = try TinyTokenizer.folder([
      "merges.txt": TinyTokenizer.mergesText.replacing("\n", with: "\r\n"),
      "tokenizer_config.json": #"{"model_max_length": 1000000000000000019884624838656}"#,
    ])
    let tokenizer = try CLIPTokenizer(folder: folder.path)
    #expect(tokenizer.encode("dog") == [515] && tokenizer.maximumLength == 77)
  }
}
