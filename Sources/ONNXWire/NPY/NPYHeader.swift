import TensorCore

/// The text at the start of a `.npy` file: a Python dictionary with `descr`, `fortran_order` and `shape`.
struct NPYHeader {
  var dtype = DType.float32
  var isBigEndian = false
  var isFortranOrder = false
  var shape: [Int] = []

  /// - Throws: `DataError` that says what cannot be read.
  init(parsing text: [UInt8]) throws {
    var scanner = Scanner(text: text)
    var seen: Set<String> = []
    try scanner.expect("{")
    while !scanner.take("}") {
      let key = try scanner.string()
      try scanner.expect(":")
      guard seen.insert(key).inserted else { throw DataError("the header gives '\(key)' twice") }
      switch key {
      case "descr": try setType(try scanner.string())
      case "fortran_order": isFortranOrder = try scanner.bool()
      case "shape": shape = try scanner.tuple()
      default: throw DataError("the header has an unknown key '\(key)'")
      }
      if !scanner.take(",") {
        try scanner.expect("}")
        break
      }
    }
    for key in ["descr", "fortran_order", "shape"] where !seen.contains(key) {
      throw DataError("the header has no '\(key)'")
    }
  }

  private mutating func setType(_ descr: String) throws {
    let types: [String: DType] = [
      "f2": .float16, "f4": .float32, "f8": .float64, "i1": .int8, "i2": .int16, "i4": .int32,
      "i8": .int64, "u1": .uint8, "u2": .uint16, "u4": .uint32, "u8": .uint64, "b1": .bool,
    ]
    guard let order = descr.first, "<>|=".contains(order), let type = types[String(descr.dropFirst())] else {
      throw DataError("elements of type '\(descr)' are not supported")
    }
    dtype = type
    isBigEndian = order == ">" && type.size > 1
  }

  private struct Scanner {
    let text: [UInt8]
    var position = 0

    private mutating func skipSpace() {
      while position < text.count, [0x20, 0x0A, 0x0D, 0x09].contains(text[position]) { position += 1 }
    }

    mutating func take(_ character: Character) -> Bool {
      skipSpace()
      guard position < text.count, text[position] == character.asciiValue else { return false }
      position += 1
      return true
    }

    mutating func expect(_ character: Character) throws {
      guard take(character) else {
        throw DataError("the header cannot be read: no '\(character)' at byte \(position)")
      }
    }

    mutating func string() throws -> String {
      let quote: Character = take("'") ? "'" : "\""
      if quote == "\"" { try expect("\"") }
      let start = position
      while position < text.count, text[position] != quote.asciiValue { position += 1 }
      guard position < text.count else { throw DataError("the header cannot be read: an unfinished string") }
      position += 1
      return String(decoding: text[start..<position - 1], as: UTF8.self)
    }

    mutating func bool() throws -> Bool {
      skipSpace()
      for (word, value) in [("True", true), ("False", false)] where text[position...].starts(with: word.utf8)
      {
        position += word.utf8.count
        return value
      }
      throw DataError("the header cannot be read: 'fortran_order' is neither True nor False")
    }

    mutating func tuple() throws -> [Int] {
      var values: [Int] = []
      try expect("(")
      while !take(")") {
        skipSpace()
        let start = position
        while position < text.count, 0x30...0x39 ~= text[position] || text[position] == 0x2D { position += 1 }
        let digits = String(decoding: text[start..<position], as: UTF8.self)
        guard let value = Int(digits), value >= 0 else {
          throw DataError("the header cannot be read: '\(digits.prefix(40))' is not an extent")
        }
        guard values.count < 64 else { throw DataError("the header has more than 64 axes") }
        values.append(value)
        // numpy of Python 2 marked long integers.
        _ = take("L")
        if !take(",") {
          try expect(")")
          break
        }
      }
      return values
    }
  }
}
