import ONNXWire

/// Members of a JSON object, with messages that name the key.
struct JSONFields {
  let values: [String: JSON]

  /// - Throws: `DataError` when it is no object.
  init(_ json: JSON) throws {
    guard case .object(let values) = json else { throw DataError("an object expected, not \(json.kind)") }
    self.values = values
  }

  private func value(_ key: String) throws -> JSON {
    guard let value = values[key] else { throw DataError("'\(key)' is missing") }
    return value
  }

  func text(_ key: String) throws -> String {
    let value = try value(key)
    guard case .string(let text) = value else {
      throw DataError("\(key): a string expected, not \(value.kind)")
    }
    guard !text.isEmpty else { throw DataError("\(key): empty") }
    return text
  }

  /// Nil when it is missing, null or empty.
  func optionalText(_ key: String) throws -> String? {
    switch values[key] {
    case nil, .null, .string(""): nil
    default: try text(key)
    }
  }

  func number(_ key: String) throws -> Int {
    let value = try value(key)
    switch value {
    case .int(let number): return number
    case .double(let number) where number == number.rounded() && abs(number) < 1e15: return Int(number)
    default: throw DataError("\(key): an integer expected, not \(value.kind)")
    }
  }

  func list(_ key: String) throws -> [JSON] {
    let value = try value(key)
    guard case .array(let list) = value else { throw DataError("\(key): a list expected, not \(value.kind)") }
    return list
  }

  /// The strings of a list that is not empty.
  func texts(_ key: String) throws -> [String] {
    let texts = try list(key).map { json in
      guard case .string(let text) = json, !text.isEmpty else {
        throw DataError("\(key): a string that is not empty expected")
      }
      return text
    }
    guard !texts.isEmpty else { throw DataError("\(key): the list is empty") }
    return texts
  }
}
