import Foundation

@testable import Diffusion

/// The files of a tokenizer with all bytes, eleven merges and the two special tokens: 525 tokens in CLIP's
/// order.
enum TinyTokenizer {
  static let merges = [
    "t h", "th e</w>", "d o", "do g</w>", "c a", "ca t</w>", "a t</w>", "Ã ©</w>", "1 2</w>", "r e</w>",
    "' s</w>",
  ]

  /// CLIP numbers visible bytes first.
  static let bytes: [String] = {
    let all = ByteAlphabet.characters
    let visible = (0...255).filter { all[$0].value == UInt32($0) }
    let others = (0...255).filter { all[$0].value != UInt32($0) }
    return (visible + others).map { String(all[$0]) }
  }()

  static let tokens =
    bytes + bytes.map { $0 + "</w>" } + merges.map { $0.replacingOccurrences(of: " ", with: "") }
    + ["<|startoftext|>", "<|endoftext|>"]

  static func quoted(_ text: String) -> String {
    "\"" + text.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"")
      + "\""
  }

  static let vocabulary =
    "{" + tokens.enumerated().map { "\(quoted($1)): \($0)" }.joined(separator: ", ") + "}"

  static let mergesText = "#version: 0.2\n" + merges.joined(separator: "\n") + "\n"

  /// A folder as checkpoints have it, with other contents for some files.
  static func folder(_ files: [String: String] = [:]) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try folder.write("vocab.json", vocabulary)
    try folder.write("merges.txt", mergesText)
    try folder.write("tokenizer_config.json", #"{"model_max_length": 12}"#)
    for (name, text) in files { try folder.write(name, text) }
    return folder
  }
}
