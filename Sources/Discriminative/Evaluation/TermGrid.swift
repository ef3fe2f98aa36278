import ONNXWire

/// Numbers in a grid of up to four axes, row-major.
public struct TermGrid: Sendable, Equatable {
  public let extents: [Int]
  public var values: [Double]

  /// Zeros.
  public init(_ extents: [Int]) {
    self.extents = extents
    values = [Double](repeating: 0, count: extents.reduce(1, *))
  }

  /// The place of an element in `values`.
  public func offset(_ indices: Int...) -> Int {
    var result = 0
    for (index, extent) in zip(indices, extents) { result = result * extent + index }
    return result
  }

  public subscript(_ a: Int, _ b: Int, _ c: Int) -> Double {
    get { values[(a * extents[1] + b) * extents[2] + c] }
    set { values[(a * extents[1] + b) * extents[2] + c] = newValue }
  }

  // MARK: JSON

  /// Appends the grid as nested lists, each number with as many digits as give it back exactly; what is not
  /// finite as the strings `"NaN"`, `"Infinity"` and `"-Infinity"`.
  func write(to text: inout [UInt8]) { write(0, 0..<values.count, to: &text) }

  private func write(_ axis: Int, _ range: Range<Int>, to text: inout [UInt8]) {
    guard axis < extents.count else {
      let value = values[range.lowerBound]
      if value.isFinite {
        text += value.description.utf8
      } else {
        text += (value.isNaN ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"").utf8
      }
      return
    }
    let step = extents[axis] == 0 ? 0 : range.count / extents[axis]
    text.append(UInt8(ascii: "["))
    for index in 0..<extents[axis] {
      if index > 0 { text.append(UInt8(ascii: ",")) }
      let start = range.lowerBound + index * step
      write(axis + 1, start..<start + step, to: &text)
    }
    text.append(UInt8(ascii: "]"))
  }

  /// Reads what `write` has written; nil when it is not a grid of these extents.
  init?(_ json: JSON, _ extents: [Int]) {
    self.extents = extents
    values = []
    guard TermGrid.read(json, extents[...], into: &values) else { return nil }
  }

  private static func read(_ json: JSON, _ extents: ArraySlice<Int>, into values: inout [Double]) -> Bool {
    guard let extent = extents.first else {
      switch json {
      case .double(let value): values.append(value)
      case .int(let value): values.append(Double(value))
      case .string("NaN"): values.append(.nan)
      case .string("Infinity"): values.append(.infinity)
      case .string("-Infinity"): values.append(-.infinity)
      default: return false
      }
      return true
    }
    guard case .array(let elements) = json, elements.count == extent else { return false }
    return elements.allSatisfy { read($0, extents.dropFirst(), into: &values) }
  }
}
