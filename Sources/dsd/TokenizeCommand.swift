import CommandLineSupport
import Foundation

struct TokenizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenize",
    abstract: "Print the token ids of captions.",
    discussion:
      "One JSON list a caption. Captions come from --text, or as JSON strings, one a line, from a file.")

  @Argument(help: "The tokenizer's folder (vocab.json, merges.txt).")
  var folder: String

  @Option(help: "A caption.")
  var text: [String] = []

  @Option(help: ArgumentHelp("A file of captions, a JSON string on each line.", valueName: "file"))
  var lines: String?

  @Flag(help: "Pad every list to the tokenizer's length.")
  var padded = false

  func run() throws {
    var captions = text
    if let lines {
      let bytes = try Data(contentsOf: URL(fileURLWithPath: lines))
      for (number, line) in bytes.split(separator: UInt8(ascii: "\n")).enumerated() {
        guard let caption = try? JSONDecoder().decode(String.self, from: Data(line)) else {
          throw DataError("\(lines):\(number + 1): not a JSON string")
        }
        captions.append(caption)
      }
    }
    guard !captions.isEmpty else { throw ValidationError("--text or --lines is missing") }
    let tokenizer = try CLIPTokenizer(folder: folder)
    for caption in captions {
      var ids = try tokenizer.ids(for: caption)
      if !padded {
        // Padding may be the end token itself: what counts is the text's own length.
        let own = min(tokenizer.encode(caption).count + 2, tokenizer.maximumLength)
        ids = Array(ids.prefix(own))
      }
      print("[" + ids.map(String.init).joined(separator: ",") + "]")
    }
  }
}
