import TensorCore

extension JSONReader {
  /// Reads a string.
  mutating func string() throws -> String {
    try expect("\"")
    var units: [UInt8] = []
    while true {
      guard position < bytes.count else { throw failure("a string without an end") }
      let byte = bytes[position]
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let text = String(validating: units, as: UTF8.self) else {
          throw failure("a string that is not UTF-8")
        }
        return text
      case UInt8(ascii: "\\"): try escape(into: &units)
      case 0..<0x20: throw failure("a control character in a string")
      default: units.append(byte)
      }
    }
  }

  private mutating func escape(into units: inout [UInt8]) throws {
    guard position < bytes.count else { throw failure("a string without an end") }
    let byte = bytes[position]
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): units.append(byte)
    case UInt8(ascii: "b"): units.append(0x08)
    case UInt8(ascii: "f"): units.append(0x0C)
    case UInt8(ascii: "n"): units.append(0x0A)
    case UInt8(ascii: "r"): units.append(0x0D)
    case UInt8(ascii: "t"): units.append(0x09)
    case UInt8(ascii: "u"):
      var code = try fourHexDigits()
      if code & 0xFC00 == 0xD800, position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
        bytes[position + 1] == UInt8(ascii: "u")
      {
        position += 2
        let low = try fourHexDigits()
        guard low & 0xFC00 == 0xDC00 else { throw failure("half of a surrogate pair") }
        code = 0x10000 + (code & 0x3FF) << 10 + low & 0x3FF
      }
      guard let scalar = Unicode.Scalar(code) else { throw failure("half of a surrogate pair") }
      units.append(contentsOf: UTF8.encode(scalar)!)
    default: throw failure("an unknown escape in a string")
    }
  }

  private mutating func fourHexDigits() throws -> UInt32 {
    guard position + 4 <= bytes.count else { throw failure("a string without an end") }
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue else {
        throw failure("\\u without four hexadecimal digits")
      }
      code = code << 4 | UInt32(digit)
      position += 1
    }
    return code
  }

  /// Reads a number: an integer where it has neither fraction nor exponent and fits.
  mutating func number() throws -> JSON {
    _ = peek()
    let start = position
    func byte() -> UInt8? { position < bytes.count ? bytes[position] : nil }
    func isDigit(_ byte: UInt8?) -> Bool { byte.map { $0 >= 0x30 && $0 <= 0x39 } ?? false }
    if byte() == UInt8(ascii: "-") { position += 1 }
    guard isDigit(byte()) else {
      throw failure(
        position > start ? "a minus sign without digits" : next == nil ? early : "a value expected")
    }
    if byte() == UInt8(ascii: "0"), position + 1 < bytes.count, isDigit(bytes[position + 1]) {
      throw failure("a number with a leading zero")
    }
    while isDigit(byte()) { position += 1 }
    var isInteger = true
    if byte() == UInt8(ascii: ".") {
      isInteger = false
      position += 1
      guard isDigit(byte()) else { throw failure("a decimal point without digits") }
      while isDigit(byte()) { position += 1 }
    }
    if byte() == UInt8(ascii: "e") || byte() == UInt8(ascii: "E") {
      isInteger = false
      position += 1
      if byte() == UInt8(ascii: "+") || byte() == UInt8(ascii: "-") { position += 1 }
      guard isDigit(byte()) else { throw failure("an exponent without digits") }
      while isDigit(byte()) { position += 1 }
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isInteger, let value = Int(text) { return .int(value) }
    guard let value = Double(text), value.isFinite else { throw failure("a number that is too large") }
    return .double(value)
  }
}
