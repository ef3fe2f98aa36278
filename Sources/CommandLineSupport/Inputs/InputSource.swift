import Foundation

/// What `--input NAME=…` says about a value: where it comes from or what it is.
public enum InputSource: Sendable {
  case npy(String)
  /// The tensor's name; nil for the one named like the value, or the only one.
  case safetensors(String, tensor: String?)
  case image(String, ImageOptions)
  case literal(InputLiteral)
  case fill(InputFill)

  /// The ways to give a value, for messages.
  static let forms =
    "FILE.npy, FILE.safetensors[:TENSOR], FILE.png or FILE.jpg, a number, [1,2,3], zeros, ones, random[:SEED]"

  /// - Throws: `UsageError` when the text is none of the forms, or wrong within its form.
  public init(_ text: String) throws {
    if let fill = try InputFill(text) {
      self = .fill(fill)
    } else if let literal = try InputLiteral(text) {
      self = .literal(literal)
    } else if let source = try InputSource.file(text) {
      self = source
    } else {
      throw UsageError("'\(text)' is no file and none of: \(InputSource.forms)")
    }
  }

  private static let imageEndings = [".png", ".jpg", ".jpeg"]

  private static func file(_ text: String) throws -> InputSource? {
    if ending(of: text, among: [".npy"]) != nil { return .npy(text) }
    if ending(of: text, among: [".safetensors"]) != nil { return .safetensors(text, tensor: nil) }
    if ending(of: text, among: imageEndings) != nil { return .image(text, ImageOptions()) }
    // What follows a colon after the file's name tells more.
    for colon in text.indices where text[colon] == ":" {
      let path = String(text[..<colon])
      let rest = String(text[text.index(after: colon)...])
      if ending(of: path, among: [".safetensors"]) != nil { return .safetensors(path, tensor: rest) }
      if ending(of: path, among: imageEndings) != nil { return .image(path, try ImageOptions(rest)) }
    }
    return FileManager.default.fileExists(atPath: text) ? .npy(text) : nil
  }

  private static func ending(of path: String, among endings: [String]) -> String? {
    let lower = path.lowercased()
    return endings.first { lower.hasSuffix($0) && lower.count > $0.count }
  }
}
