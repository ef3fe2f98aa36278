import TensorCore

/// Reads JSON value by value, as its caller expects them, without building a tree: memory stays in proportion
/// to what the caller keeps. Every method throws `DataError` (with the line) on anything else.
struct JSONReader {
  let bytes: UnsafeRawBufferPointer
  var position = 0
  private var depth = 0
  private let depthLimit: Int
  let early = "the text ends too early"

  init(_ bytes: UnsafeRawBufferPointer, depthLimit: Int = 64) {
    self.bytes = bytes
    self.depthLimit = depthLimit
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
  }

  /// Reads an object, calling `body` at each value with its key. Keys may repeat; that is the caller's matter.
  mutating func object(_ body: (String, inout JSONReader) throws -> Void) throws {
    try expect("{")
    try enter()
    if !take("}") {
      repeat {
        guard peek() == UInt8(ascii: "\"") else { throw failure("a name in quotes expected") }
        let key = try string()
        try expect(":")
        try body(key, &self)
      } while take(",")
      try expect("}")
    }
    depth -= 1
  }

  /// Reads an array, calling `body` at each element.
  mutating func array(_ body: (inout JSONReader) throws -> Void) throws {
    try expect("[")
    try enter()
    if !take("]") {
      repeat { try body(&self) } while take(",")
      try expect("]")
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
    _ = peek()
    let start = position
    if case .int(let value) = try number() { return value }
    let text = String(decoding: bytes[start..<position].prefix(40), as: UTF8.self)
    throw failure("\(text) is not a whole number in range")
  }

  /// Reads any value as a tree.
  mutating func value() throws -> JSON {
    switch peek() {
    case UInt8(ascii: "{"):
      var members: [String: JSON] = [:]
      try object { name, reader in members[name] = try reader.value() }
      return .object(members)
    case UInt8(ascii: "["):
      var elements: [JSON] = []
      try array { reader in elements.append(try reader.value()) }
      return .array(elements)
    default: return try scalar()
    }
  }

  /// Reads any value and forgets it.
  mutating func skip() throws {
    switch peek() {
    case UInt8(ascii: "{"): try object { _, reader in try reader.skip() }
    case UInt8(ascii: "["): try array { reader in try reader.skip() }
    default: _ = try scalar()
    }
  }

  private mutating func scalar() throws -> JSON {
    switch peek() {
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return try number()
    }
  }

  /// Nothing but white space may be left.
  mutating func end() throws {
    if peek() != nil { throw failure("text after the end of the value") }
  }

  // MARK: Pieces

  var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  /// The next byte that is not white space; the position is on it.
  mutating func peek() -> UInt8? {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    return next
  }

  private mutating func take(_ character: Character) -> Bool {
    guard let byte = peek(), byte == character.asciiValue else { return false }
    position += 1
    return true
  }

  mutating func expect(_ character: Character) throws {
    guard take(character) else { throw failure(next == nil ? early : "“\(character)” expected") }
  }

  private mutating func enter() throws {
    depth += 1
    if depth > depthLimit { throw failure("nested too deeply") }
  }

  private mutating func word(_ text: String, _ value: JSON) throws -> JSON {
    for byte in text.utf8 {
      guard next == byte else { throw failure("unknown word") }
      position += 1
    }
    return value
  }

  /// An error at the current position.
  func failure(_ reason: String) -> DataError {
    let line = 1 + bytes[..<min(position, bytes.count)].reduce(0) { $0 + ($1 == 0x0A ? 1 : 0) }
    return DataError("malformed JSON in line \(line): \(reason)")
  }
}
