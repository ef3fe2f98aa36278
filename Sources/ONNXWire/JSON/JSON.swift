import TensorCore

/// A JSON value, as RFC 8259 defines them.
public enum JSON: Sendable, Equatable {
  case null
  case bool(Bool)
  /// A number without fraction and exponent that fits.
  case int(Int)
  case double(Double)
  case string(String)
  case array([JSON])
  /// When a name comes twice, the last one counts.
  case object([String: JSON])

  /// Parses a whole UTF-8 text.
  /// - Throws: `DataError` with the line and the reason: a syntax error, bytes after the value, invalid
  ///   UTF-8, or a nesting of more than 256 levels.
  public init(parsing bytes: UnsafeRawBufferPointer) throws {
    var reader = JSONReader(bytes, depthLimit: 256)
    self = try reader.value()
    try reader.end()
  }

  /// Parses a whole text.
  /// - Throws: `DataError`, like `init(parsing:)` of bytes.
  public init(parsing text: String) throws {
    var text = text
    self = try text.withUTF8 { try JSON(parsing: UnsafeRawBufferPointer($0)) }
  }

  /// What the value is, for messages: "a string", "a list".
  public var kind: String {
    switch self {
    case .null: "null"
    case .bool: "true or false"
    case .int: "an integer"
    case .double: "a number"
    case .string: "a string"
    case .array: "a list"
    case .object: "an object"
    }
  }
}
