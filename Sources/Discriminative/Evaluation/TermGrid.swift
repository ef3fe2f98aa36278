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
}
