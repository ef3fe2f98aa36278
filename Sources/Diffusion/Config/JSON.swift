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
    var parser = JSONParser(bytes: bytes)
    self = try parser.document()
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

/// Recursive descent over UTF-8 bytes.
struct JSONParser {
  static let maximumDepth = 256
  let bytes: UnsafeRawBufferPointer
  var position = 0
  var depth = 0

  init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  mutating func document() throws -> JSON {
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    let result = try value()
    skipSpace()
    guard position == bytes.count else { throw failure("text after the end of the value") }
    return result
  }

  /// An error at the current position.
  func failure(_ reason: String) -> DataError {
    let line = 1 + bytes[..<min(position, bytes.count)].reduce(0) { $0 + ($1 == 0x0A ? 1 : 0) }
    return DataError("malformed JSON in line \(line): \(reason)")
  }

  private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
  }

  private mutating func skip(_ byte: Character) -> Bool {
    skipSpace()
    guard next == byte.asciiValue else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ byte: Character) throws {
    guard skip(byte) else {
      throw failure(position == bytes.count ? "the text ends too early" : "“\(byte)” expected")
    }
  }

  private mutating func value() throws -> JSON {
    skipSpace()
    switch next {
    case nil: throw failure("the text ends too early")
    case UInt8(ascii: "{"): return try object()
    case UInt8(ascii: "["): return try array()
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return try number()
    }
  }

  private mutating func word(_ text: StaticString, _ value: JSON) throws -> JSON {
    let end = position + text.utf8CodeUnitCount
    guard end <= bytes.count,
      (0..<text.utf8CodeUnitCount).allSatisfy({ bytes[position + $0] == text.utf8Start[$0] })
    else { throw failure("unknown word") }
    position = end
    return value
  }

  private mutating func nested<T>(_ body: (inout JSONParser) throws -> T) throws -> T {
    depth += 1
    guard depth <= JSONParser.maximumDepth else { throw failure("nested too deeply") }
    defer { depth -= 1 }
    position += 1
    return try body(&self)
  }

  private mutating func object() throws -> JSON {
    try nested { parser in
      var members: [String: JSON] = [:]
      if parser.skip("}") { return .object(members) }
      repeat {
        parser.skipSpace()
        guard parser.next == UInt8(ascii: "\"") else { throw parser.failure("a name in quotes expected") }
        let name = try parser.string()
        try parser.expect(":")
        members[name] = try parser.value()
      } while parser.skip(",")
      try parser.expect("}")
      return .object(members)
    }
  }

  private mutating func array() throws -> JSON {
    try nested { parser in
      var elements: [JSON] = []
      if parser.skip("]") { return .array(elements) }
      repeat { elements.append(try parser.value()) } while parser.skip(",")
      try parser.expect("]")
      return .array(elements)
    }
  }
}
