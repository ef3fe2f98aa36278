import GraphIR

/// Checks of the operators that scale the channels of X: `[N, C, …]`.
enum ChannelScale {
  /// The number of channels, when it is known.
  /// - Throws: `DataError` when X has too few axes.
  static func channels(_ shape: [Dim], minimumRank: Int) throws -> Int? {
    guard shape.count >= minimumRank else {
      throw DataError("X \(Elementwise.text(shape)) needs at least \(minimumRank) axes")
    }
    return shape[1].value
  }

  /// Checks that a parameter is a vector of `count` numbers.
  /// - Throws: `DataError` that names its shape.
  static func check(_ name: String, _ shape: [Dim]?, _ count: Int?) throws {
    guard let shape else { return }
    let expected = count.map { Dim.known($0) } ?? .unknown
    guard shape.count == 1, shape[0].agrees(with: expected) else {
      throw DataError("\(name) is \(Elementwise.text(shape)), it must be [\(expected)]")
    }
  }
}
