import GraphIR

/// Nodes that hand on what they are given.
extension Rule {
  public static let noOperations: [Rule] = [castToOwnType, timesOne, dividedByOne, plusZeros, viewAsItIs]

  /// Cast(x) to the type that x has becomes x.
  private static let castToOwnType = Rule(
    "cast-to-own-type", op.any("Cast", "CastLike")("x"), where: requireOwnType,
    replacement: { _, match in match["x"] })

  /// x · 1 becomes x.
  private static let timesOne = Rule(
    "times-one", op.Mul("x", .scalar("one")),
    where: { match in
      try requireExactly(1, match, "one")
      try requireOwnType(match)
    }, replacement: { _, match in match["x"] })

  /// x / 1 becomes x.
  private static let dividedByOne = Rule(
    "divided-by-one", op.Div("x", .scalar("one")),
    where: { match in
      try requireExactly(1, match, "one")
      try requireOwnType(match)
    }, replacement: { _, match in match["x"] })

  /// x + 0 becomes x: `torch.baddbmm` is exported with a tensor of zeros.
  private static let plusZeros = Rule(
    "plus-zeros",
    op.Add(
      "x",
      .either([
        op.Mul(op.ConstantOfShape("shape").bound(as: "filled"), .scalar("factor")),
        op.ConstantOfShape("shape").bound(as: "filled"), .constant("zeros"),
      ])),
    where: { match in
      if let filled = match.nodes["filled"] {
        if case .tensor(let value)? = filled.attributes["value"] {
          guard value.converted(to: .float64).array(of: Double.self) == [0] else { throw Decline.noMatch }
        }
        if match.isBound("factor"), try !match.number("factor").isFinite { throw Decline.noMatch }
      } else {
        guard try match.numbers("zeros").allSatisfy({ $0 == 0 }) else { throw Decline.noMatch }
      }
      try requireOwnType(match)
    }, replacement: { _, match in match["x"] })

  /// A reshape that keeps the shape becomes x.
  private static let viewAsItIs = Rule(
    "view-as-it-is", op.any("Reshape", "Expand", "Unsqueeze", "Squeeze", "Flatten")("x"),
    where: requireOwnType, replacement: { _, match in match["x"] })

  private static func requireExactly(_ expected: Double, _ match: Match, _ name: String) throws {
    guard try match.number(name) == expected else { throw Decline.noMatch }
  }

  /// Most casts and reshapes do something, which is not worth a word.
  private static func requireOwnType(_ match: Match) throws {
    let (type, result) = (try match.type("x"), try match.resultType())
    guard type.dtype == result.dtype, let shape = type.concreteShape, shape == result.concreteShape else {
      throw Decline.noMatch
    }
  }
}
