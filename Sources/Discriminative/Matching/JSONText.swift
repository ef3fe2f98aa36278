import Foundation

/// Results as the programs print them in JSON.
public enum JSONText {
  /// One object, keys sorted. JSON has no numbers that are infinite or none: they become the strings
  /// `"Infinity"`, `"-Infinity"` and `"NaN"`.
  public static func encode(_ value: some Encodable) throws -> String { try encode(value, .prettyPrinted) }

  /// The same on one line.
  public static func line(_ value: some Encodable) throws -> String { try encode(value, []) }

  private static func encode(_ value: some Encodable, _ form: JSONEncoder.OutputFormatting) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = form.union([.sortedKeys, .withoutEscapingSlashes])
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }
}
