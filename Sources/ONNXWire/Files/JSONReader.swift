import TensorCore

/// Reads JSON value by value, as its caller expects them, without building a tree: memory stays in proportion
/// to what the caller keeps. Every method throws `DataError` (with a byte position) on anything else.
struct JSONReader {
  private let bytes: UnsafeRawBufferPointer
  private(set) var position = 0
  private var depth = 0
  private static let depthLimit = 64

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// Reads an object, calling `body` at each value with its key. Keys may repeat; that is the caller's
  /// matter.
  mutating func object(_ body: (String, inout JSONReader) throws -> Void) throws {
    try expect(UInt8(ascii: "{"))
    try enter()
    if !take(UInt8(ascii: "}")) {
      repeat {
        let key = try string()
        try expect(UInt8(ascii: ":"))
        try body(key, &self)
      } while take(UInt8(ascii: ","))
      try expect(UInt8(ascii: "}"))
    }
    depth -= 1
  }

  /// Reads an array, calling `body` at each element.
  mutating func array(_ body: (inout JSONReader) throws -> Void) throws {
    try expect(UInt8(ascii: "["))
    try enter()
    if !take(UInt8(ascii: "]")) {
      repeat { try body(&self) } while take(UInt8(ascii: ","))
      try expect(UInt8(ascii: "]"))
    }
    depth -= 1
  }

  /// Reads an array of integers, at most `limit` of them.
  mutating func integers(limit: Int) throws -> [Int] {
    var values: [Int] = []
    try array { reader in
      guard values.count < limit else { throw DataError("a list has more than \(limit) elements") }
      values.append(try reader.integer())
    }
    return values
  }

  /// Reads an integer that fits an `Int`.
  mutating func integer() throws -> Int {
    let text = try number()
    guard let value = Int(text) else { throw DataError("\(text.prefix(40)) is not a whole number in range") }
    return value
  }

  mutating func string() throws -> String {
    try expect(UInt8(ascii: "\""))
    var content: [UInt8] = []
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let text = String(validating: content, as: UTF8.self) else {
          throw wrong("text that is not UTF-8")
        }
        return text
      case UInt8(ascii: "\\"): content += try escape()
      case 0..<0x20: throw wrong("a control character in a string")
      default: content.append(byte)
      }
    }
    throw wrong("an unfinished string")
  }

  /// Reads any value and forgets it.
  mutating func skip() throws {
    switch peek() {
    case UInt8(ascii: "{"): try object { _, reader in try reader.skip() }
    case UInt8(ascii: "["): try array { reader in try reader.skip() }
    case UInt8(ascii: "\""): _ = try string()
    case UInt8(ascii: "t"): try word("true")
    case UInt8(ascii: "f"): try word("false")
    case UInt8(ascii: "n"): try word("null")
    default: _ = try number()
    }
  }

  /// Nothing but white space may be left.
  mutating func end() throws { if peek() != nil { throw wrong("something after the end") } }

  // MARK: Pieces

  private mutating func peek() -> UInt8? {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x09, 0x0A, 0x0D: position += 1
      default: return bytes[position]
      }
    }
    return nil
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard peek() == byte else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ byte: UInt8) throws {
    guard take(byte) else { throw wrong("no '\(Character(UnicodeScalar(byte)))'") }
  }

  private mutating func enter() throws {
    depth += 1
    if depth > JSONReader.depthLimit { throw wrong("nesting that is too deep") }
  }

  private mutating func word(_ word: String) throws {
    for byte in word.utf8 {
      guard position < bytes.count, bytes[position] == byte else { throw wrong("an unknown word") }
      position += 1
    }
  }

  private mutating func number() throws -> String {
    _ = peek()
    var text = ""
    while position < bytes.count {
      let character = Character(UnicodeScalar(bytes[position]))
      guard character.isASCII, character.isNumber || "+-.eE".contains(character) else { break }
      guard text.utf8.count < 64 else { throw wrong("a number that is too long") }
      text.append(character)
      position += 1
    }
    guard let value = Double(text), value.isFinite else { throw wrong("no number") }
    return text
  }

  private mutating func escape() throws -> [UInt8] {
    guard position < bytes.count else { throw wrong("an unfinished string") }
    let byte = bytes[position]
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
    case UInt8(ascii: "b"): return [0x08]
    case UInt8(ascii: "f"): return [0x0C]
    case UInt8(ascii: "n"): return [0x0A]
    case UInt8(ascii: "r"): return [0x0D]
    case UInt8(ascii: "t"): return [0x09]
    case UInt8(ascii: "u"):
      var unit = try hex4()
      if 0xD800..<0xDC00 ~= unit {
        guard position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
          bytes[position + 1] == UInt8(ascii: "u")
        else { throw wrong("half of a surrogate pair") }
        position += 2
        let low = try hex4()
        guard 0xDC00..<0xE000 ~= low else { throw wrong("half of a surrogate pair") }
        unit = 0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = UnicodeScalar(unit) else { throw wrong("half of a surrogate pair") }
      return Array(String(Character(scalar)).utf8)
    default: throw wrong("an unknown escape")
    }
  }

  private mutating func hex4() throws -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard position < bytes.count, let digit = Character(UnicodeScalar(bytes[position])).hexDigitValue
      else { throw wrong("an escape without four digits") }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }

  private func wrong(_ what: String) -> DataError { DataError("\(what) at byte \(position)") }
}

extension String {
  /// The text as a JSON string, quotes included.
  var jsonQuoted: String {
    var result = "\""
    for scalar in unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
