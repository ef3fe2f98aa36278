import Diffusion
import ONNXWire

/// Reads items from a file with a JSON object on each line; `Specs/items.md` tells its keys.
public enum ItemReader {
  /// Images times texts of one item, at most.
  static let pairLimit = 1 << 16

  /// The items in the file's order. Empty lines are passed over.
  /// - Parameter rows: knows what to do about lines that are no items.
  /// - Throws: `DataError` that names file and line: no JSON, a key that is missing or of another type, a pair
  ///   out of range, a caption that is too long, an id that an earlier line has.
  public static func read(path: String, _ rows: DatasetRows = DatasetRows()) throws -> [EvaluationItem] {
    let file = try MappedFile(path: path)
    return try withExtendedLifetime(file) {
      var items: [EvaluationItem] = []
      var lines: [String: Int] = [:]
      for (number, line) in file.bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
        guard !line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) else { continue }
        let place = "\(path):\(number + 1)"
        let item = try rows.take(place) {
          let item: EvaluationItem
          do { item = try self.item(UnsafeRawBufferPointer(rebasing: line), place) } catch let error
            as DataError
          {
            throw DataError(error.message.replacing("malformed JSON in line 1", with: "malformed JSON"))
          }
          if let earlier = lines[item.id] { throw DataError("id: line \(earlier) has '\(item.id)' too") }
          lines[item.id] = number + 1
          return item
        }
        if let item { items.append(item) }
      }
      guard !items.isEmpty else { throw rows.nothing(in: path) }
      return items
    }
  }

  /// One item of its JSON object.
  /// - Throws: `DataError` without the place.
  static func item(_ line: UnsafeRawBufferPointer, _ place: String) throws -> EvaluationItem {
    guard case .object(let values) = try JSON(parsing: line) else { throw DataError("not a JSON object") }
    let item = EvaluationItem(
      id: try string(values, "id"), task: try string(values, "task"),
      category: values["category"].map { $0 == .null } ?? true ? nil : try string(values, "category"),
      images: try list(values, "images") { json in
        guard case .string(let text) = json else { throw DataError("a string expected, not \(json.kind)") }
        return try ImageReference(text)
      },
      texts: try list(values, "texts") { json in
        guard case .string(let text) = json else { throw DataError("a string expected, not \(json.kind)") }
        try CLIPTokenizer.check(text)
        return text
      },
      right: try list(values, "right", pair), isHeldOut: try flag(values, "held_out"), place: place)
    guard item.images.count * item.texts.count <= pairLimit else {
      throw DataError(
        "\(item.images.count) images × \(item.texts.count) texts are more than \(pairLimit) pairs")
    }
    for pair in item.right where pair.image >= item.images.count || pair.text >= item.texts.count {
      throw DataError(
        "right: [\(pair.image), \(pair.text)] is out of range for \(item.images.count) images and "
          + "\(item.texts.count) texts")
    }
    guard Set(item.right).count == item.right.count else { throw DataError("right: a pair comes twice") }
    return item
  }

  private static func value(_ values: [String: JSON], _ key: String) throws -> JSON {
    guard let value = values[key] else { throw DataError("'\(key)' is missing") }
    return value
  }

  private static func string(_ values: [String: JSON], _ key: String) throws -> String {
    let value = try value(values, key)
    guard case .string(let text) = value, !text.isEmpty else {
      throw DataError(
        "\(key): a string that is not empty expected\(value.isString ? "" : ", not \(value.kind)")")
    }
    return text
  }

  private static func flag(_ values: [String: JSON], _ key: String) throws -> Bool {
    switch values[key] {
    case nil, .null: return false
    case .bool(let flag): return flag
    case let other?: throw DataError("\(key): true or false expected, not \(other.kind)")
    }
  }

  private static func list<T>(
    _ values: [String: JSON], _ key: String, _ element: (JSON) throws -> T
  ) throws -> [T] {
    let value = try value(values, key)
    guard case .array(let elements) = value else {
      throw DataError("\(key): a list expected, not \(value.kind)")
    }
    guard !elements.isEmpty else { throw DataError("\(key): the list is empty") }
    guard elements.count <= pairLimit else {
      throw DataError("\(key): \(elements.count) elements are more than \(pairLimit)")
    }
    return try elements.enumerated().map { position, json in
      do { return try element(json) } catch let error as DataError { throw error.at("\(key)[\(position)]") }
    }
  }

  private static func pair(_ json: JSON) throws -> EvaluationItem.Pair {
    guard case .array(let indices) = json, indices.count == 2, case .int(let image) = indices[0],
      case .int(let text) = indices[1], image >= 0, text >= 0
    else { throw DataError("a pair [image, text] of indices from 0 expected") }
    return .init(image: image, text: text)
  }
}

extension JSON {
  fileprivate var isString: Bool { if case .string = self { true } else { false } }
}
