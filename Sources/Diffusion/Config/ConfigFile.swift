import ONNXWire
import TensorCore

/// The settings of one JSON file, such as `unet/config.json`, read with a type and a clear error.
///
/// Every getter throws a `DataError` that names the file and the key when the key is missing without a
/// default or has another type. A key whose value is `null` counts as missing, as in diffusers.
public struct ConfigFile: Sendable {
  /// The file, for messages.
  public let path: String
  /// The keys of this object.
  public let values: [String: JSON]
  /// Where in the file this object is: "" at the top, else "outer.".
  private let prefix: String

  /// Reads a file whose top is an object.
  /// - Throws: `DataError` that names the file when it cannot be read or is not a JSON object.
  public init(path: String) throws {
    let json = try MappedFile.withBytes(of: path) { try JSON(parsing: $0) }
    guard case .object(let values) = json else {
      throw DataError("\(path): a JSON object expected, not \(json.kind)")
    }
    self.init(path: path, values: values)
  }

  /// Settings that do not come from a file; `path` is what messages call them.
  public init(path: String, values: [String: JSON]) {
    self.init(path: path, values: values, prefix: "")
  }

  private init(path: String, values: [String: JSON], prefix: String) {
    self.path = path
    self.values = values
    self.prefix = prefix
  }

  /// An error about a key: `path: key: reason`.
  public func error(_ key: String, _ reason: String) -> DataError {
    DataError("\(path): \(prefix)\(key): \(reason)")
  }

  /// The value of a key, or nil when it is missing or null.
  public subscript(key: String) -> JSON? { values[key].flatMap { $0 == .null ? nil : $0 } }

  /// Whether the key is there and not null.
  public func has(_ key: String) -> Bool { self[key] != nil }

  /// A string.
  public func string(_ key: String, default value: String? = nil) throws -> String {
    try get(key, value, "a string") { if case .string(let text) = $0 { text } else { nil } }
  }

  /// `true` or `false`.
  public func bool(_ key: String, default value: Bool? = nil) throws -> Bool {
    try get(key, value, "true or false") { if case .bool(let flag) = $0 { flag } else { nil } }
  }

  /// An integer; 64.0 is one too.
  public func int(_ key: String, default value: Int? = nil) throws -> Int {
    try get(key, value, "an integer", ConfigFile.integer)
  }

  /// A number, integers included.
  public func double(_ key: String, default value: Double? = nil) throws -> Double {
    try get(key, value, "a number", ConfigFile.number)
  }

  /// A list of integers.
  public func ints(_ key: String, default value: [Int]? = nil) throws -> [Int] {
    try list(key, value, "a list of integers", ConfigFile.integer)
  }

  /// A list of numbers.
  public func doubles(_ key: String, default value: [Double]? = nil) throws -> [Double] {
    try list(key, value, "a list of numbers", ConfigFile.number)
  }

  /// A list of strings.
  public func strings(_ key: String, default value: [String]? = nil) throws -> [String] {
    try list(key, value, "a list of strings") { if case .string(let text) = $0 { text } else { nil } }
  }

  /// One integer for all of `count` places, or a list with one for each: `layers_per_block: 2` or `[2, 2]`.
  public func ints(_ key: String, count: Int, default value: Int? = nil) throws -> [Int] {
    guard case .array? = self[key] else {
      return Array(repeating: try int(key, default: value), count: count)
    }
    let result = try ints(key)
    guard result.count == count else {
      throw error(key, "a list of \(count) integers expected, not of \(result.count)")
    }
    return result
  }

  /// One of the cases of a type with string values.
  public func choice<T: RawRepresentable & CaseIterable>(
    _ key: String, of type: T.Type = T.self, default value: T? = nil
  ) throws -> T where T.RawValue == String {
    if let value, !has(key) { return value }
    let text = try string(key)
    guard let result = T(rawValue: text) else {
      let known = T.allCases.map { "“\($0.rawValue)”" }.joined(separator: ", ")
      throw error(key, "“\(text)” is unknown (known: \(known))")
    }
    return result
  }

  /// An object inside this one.
  public func object(_ key: String) throws -> ConfigFile {
    let members: [String: JSON] = try get(key, nil, "an object") {
      if case .object(let members) = $0 { members } else { nil }
    }
    return ConfigFile(path: path, values: members, prefix: "\(prefix)\(key).")
  }

  private func get<T>(
    _ key: String, _ fallback: T?, _ expected: String, _ read: (JSON) -> T?
  ) throws -> T {
    guard let json = self[key] else {
      guard let fallback else { throw error(key, "missing") }
      return fallback
    }
    guard let value = read(json) else { throw error(key, "\(expected) expected, not \(json.kind)") }
    return value
  }

  private func list<T>(
    _ key: String, _ fallback: [T]?, _ expected: String, _ read: (JSON) -> T?
  ) throws -> [T] {
    try get(key, fallback, expected) { json in
      guard case .array(let elements) = json else { return nil }
      let values = elements.compactMap(read)
      return values.count == elements.count ? values : nil
    }
  }

  private static func integer(_ json: JSON) -> Int? {
    switch json {
    case .int(let value): value
    case .double(let value): Int(exactly: value)
    default: nil
    }
  }

  private static func number(_ json: JSON) -> Double? {
    switch json {
    case .int(let value): Double(value)
    case .double(let value): value
    default: nil
    }
  }
}
