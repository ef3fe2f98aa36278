/// One extent of a tensor type: a number, a name that planning binds to a number, or not known.
public enum Dim: Hashable, Sendable {
  case known(Int)
  case symbol(String)
  case unknown

  /// The number, where it is known.
  public var value: Int? { if case .known(let value) = self { value } else { nil } }

  /// Whether two extents can be the same number.
  public func agrees(with other: Dim) -> Bool {
    guard let a = value, let b = other.value else { return true }
    return a == b
  }

  /// Applies `body` to known extents; anything else gives `.unknown`.
  public func map(_ body: (Int) -> Int) -> Dim { value.map { .known(body($0)) } ?? .unknown }

  /// Sums and products beyond an `Int` become its largest value, which no tensor can have.
  public static func + (a: Dim, b: Dim) -> Dim { combine(a, b) { $0.addingReportingOverflow($1) } }
  public static func * (a: Dim, b: Dim) -> Dim {
    if a.value == 1 { return b }
    if b.value == 1 { return a }
    return combine(a, b) { $0.multipliedReportingOverflow(by: $1) }
  }

  private static func combine(
    _ a: Dim, _ b: Dim, _ body: (Int, Int) -> (partialValue: Int, overflow: Bool)
  ) -> Dim {
    guard let x = a.value, let y = b.value else { return .unknown }
    let (result, overflow) = body(x, y)
    return .known(overflow ? .max : result)
  }
}

extension Dim: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, CustomStringConvertible {
  public init(integerLiteral value: Int) { self = .known(value) }
  public init(stringLiteral value: String) { self = .symbol(value) }
  public var description: String {
    switch self {
    case .known(let value): String(value)
    case .symbol(let name): name
    case .unknown: "?"
    }
  }
}
