/// A value written on the command line: a number, `true`, `false`, or lists of them such as `[[1, 2], [3, 4]]`.
public struct InputLiteral: Sendable {
  /// The lists' extents; empty for one number.
  let shape: [Int]
  private let elements: [Element]

  fileprivate enum Element {
    case bool(Bool)
    case int(Int)
    case double(Double)
  }

  /// - Returns: nil when the text begins like none.
  /// - Throws: `UsageError` when lists are malformed or ragged.
  init?(_ text: String) throws {
    if text.first == "[" {
      let json: JSON
      do { json = try JSON(parsing: text) } catch let error as DataError {
        throw UsageError("'\(text.prefix(40))' is no list of numbers: \(error.message)")
      }
      var elements: [Element] = []
      shape = try InputLiteral.flatten(json, into: &elements)
      guard shape.count <= 64 else { throw UsageError("lists of \(shape.count) levels") }
      self.elements = elements
      return
    }
    if let number = Int(text) {
      elements = [.int(number)]
    } else if let number = Double(text) {
      elements = [.double(number)]
    } else if let truth = Bool(text) {
      elements = [.bool(truth)]
    } else {
      return nil
    }
    shape = []
  }

  private static func flatten(_ json: JSON, into elements: inout [Element]) throws -> [Int] {
    switch json {
    case .bool(let value): elements.append(.bool(value))
    case .int(let value): elements.append(.int(value))
    case .double(let value): elements.append(.double(value))
    case .array(let items):
      var inner: [Int]?
      for item in items {
        let shape = try flatten(item, into: &elements)
        guard inner == nil || inner == shape else {
          throw UsageError("lists of different lengths stand beside each other")
        }
        inner = shape
      }
      return [items.count] + (inner ?? [])
    default: throw UsageError("a list of numbers holds \(json.kind)")
    }
    return []
  }

  /// The type that the elements suggest where the graph declares none.
  var natural: DType {
    var all = DType.bool
    for element in elements {
      switch element {
      case .double: return .float32
      case .int: all = .int64
      case .bool: break
      }
    }
    return elements.isEmpty ? .float32 : all
  }

  /// The value as a tensor of the lists' shape.
  /// - Throws: `DataError` for a number that the type does not hold.
  func tensor(_ dtype: DType) throws -> Tensor {
    // Integers go by way of int64, which holds each of them exactly.
    let isWhole = dtype.isInteger || dtype == .bool
    let wide = Tensor(isWhole ? .int64 : .float64, shape)
    for (position, element) in elements.enumerated() {
      if isWhole {
        wide.pointer(as: Int64.self)[position] = try element.integer(dtype)
      } else {
        wide.pointer(as: Double.self)[position] = element.double
      }
    }
    let result = wide.converted(to: dtype)
    if dtype.isInteger, !result.converted(to: .int64).isIdentical(to: wide) {
      throw DataError("not every number fits \(dtype)")
    }
    return result
  }
}

extension InputLiteral.Element {
  fileprivate var double: Double {
    switch self {
    case .bool(let value): value ? 1 : 0
    case .int(let value): Double(value)
    case .double(let value): value
    }
  }

  fileprivate func integer(_ dtype: DType) throws -> Int64 {
    switch self {
    case .bool(let value): return value ? 1 : 0
    case .int(let value):
      guard dtype != .bool || value == 0 || value == 1 else { throw DataError("\(value) is no bool") }
      guard dtype != .uint64 || value >= 0 else { throw DataError("\(value) does not fit uint64") }
      return Int64(value)
    case .double(let value):
      guard let exact = Int64(exactly: value), dtype.isInteger else {
        throw DataError("\(value) is no \(dtype)")
      }
      return exact
    }
  }
}
