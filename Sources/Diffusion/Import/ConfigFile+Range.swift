import ONNXWire
import TensorCore

/// Getters that also bound what they read, so that sizes computed from a file cannot overflow.
extension ConfigFile {
  /// Widths, dimensions and vocabularies.
  static let sizes = 1...16_777_216
  /// Numbers of heads.
  static let heads = 1...1024
  /// Numbers of layers one after another, each of which becomes nodes.
  static let depths = 1...64

  func int(_ key: String, in range: ClosedRange<Int>, default value: Int? = nil) throws -> Int {
    let result = try int(key, default: value)
    try check(key, result, range)
    return result
  }

  func ints(_ key: String, in range: ClosedRange<Int>, default value: [Int]? = nil) throws -> [Int] {
    let result = try ints(key, default: value)
    for element in result { try check(key, element, range) }
    return result
  }

  func ints(_ key: String, count: Int, in range: ClosedRange<Int>, default value: Int? = nil) throws -> [Int]
  {
    let result = try ints(key, count: count, default: value)
    for element in result { try check(key, element, range) }
    return result
  }

  /// True or false for all of `count` places, or a list with one for each.
  func bools(_ key: String, count: Int, default value: Bool) throws -> [Bool] {
    guard case .array(let elements)? = self[key] else {
      return Array(repeating: try bool(key, default: value), count: count)
    }
    let result = elements.compactMap { if case .bool(let flag) = $0 { flag } else { nil } }
    guard result.count == count, elements.count == count else {
      throw error(key, "a list of \(count) times true or false expected")
    }
    return result
  }

  /// Whether the file says `null`, which for some keys means "none" rather than the default.
  func isNull(_ key: String) -> Bool { values[key] == .null }

  /// Refuses a key that is set to something else than what is supported.
  /// - Parameter allowed: values that change nothing; a missing key or null is always fine.
  func refuse(_ key: String, unless allowed: [JSON] = []) throws {
    guard let value = self[key], !allowed.contains(value) else { return }
    throw error(key, "\(value.text) is not supported")
  }

  private func check(_ key: String, _ value: Int, _ range: ClosedRange<Int>) throws {
    guard range.contains(value) else {
      throw error(key, "\(value) is outside \(range.lowerBound)…\(range.upperBound)")
    }
  }
}

extension JSON {
  /// The value as messages show it.
  var text: String {
    switch self {
    case .null: "null"
    case .bool(let value): String(value)
    case .int(let value): String(value)
    case .double(let value): String(value)
    case .string(let value): "“\(value)”"
    case .array, .object: kind
    }
  }
}
