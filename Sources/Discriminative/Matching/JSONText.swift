import Foundation

/// Results as the programs print them in JSON.
public enum JSONText {
  /// One object, keys sorted. JSON has no numbers that are infinite or none: they become the strings
  /// `"Infinity"`, `"-Infinity"` and `"NaN"`.
  public static func encode(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }
}
