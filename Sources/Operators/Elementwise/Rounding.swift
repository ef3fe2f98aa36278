import GraphIR

/// The next integer above.
struct Ceil: RealFunction {
  static let schema = Schema.map("Ceil", since: 13)
  init(_ attributes: Attributes) {}
  func value(_ x: Double) -> Double { x.rounded(.up) }
}

/// The next integer below.
struct Floor: RealFunction {
  static let schema = Schema.map("Floor", since: 13)
  init(_ attributes: Attributes) {}
  func value(_ x: Double) -> Double { x.rounded(.down) }
}

/// The nearest integer; halves go to the even one.
struct Round: RealFunction {
  static let schema = Schema.map("Round", since: 22)
  init(_ attributes: Attributes) {}
  func value(_ x: Double) -> Double { x.rounded(.toNearestOrEven) }
}

extension Ceil: FlatFunction {}
extension Floor: FlatFunction {}
extension Round: FlatFunction {}
