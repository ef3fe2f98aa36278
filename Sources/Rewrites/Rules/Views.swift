import GraphIR

/// Reshapes, by whatever name, and transpositions between them.
extension Rule {
  private static let view = op.any("Reshape", "Unsqueeze", "Squeeze", "Flatten")

  /// A reshape of a reshape becomes one, to a constant shape.
  public static let viewOfView = Rule(
    "view-of-view", view(view("x")),
    replacement: { g, match in
      guard let shape = try match.resultType().concreteShape else {
        throw Decline("the result's shape is not known")
      }
      guard !shape.contains(0) else { throw Decline.noMatch }
      return shape == (try match.shape("x")) ? match["x"] : g.Reshape(match["x"], g.ints(shape))
    })

  /// Leading axes joined, the last two swapped and the leading axes parted again: one Transpose.
  public static let transposeThroughViews = Rule(
    "transpose-through-views", view(op.Transpose(view("x").bound(as: "joined")).bound(as: "transpose")),
    where: { match in
      let shape = try match.shape("x")
      guard shape.count >= 2 else { throw Decline("x has rank \(shape.count)") }
      let (lead, rows, columns) = (shape.dropLast(2), shape[shape.count - 2], shape[shape.count - 1])
      guard try match.shape("joined") == [lead.reduce(1, *), rows, columns] else { throw Decline.noMatch }
      guard match.ints("transpose", "perm") == [0, 2, 1] else {
        throw Decline("the last two axes are not swapped")
      }
      guard try match.resultType().concreteShape == lead + [columns, rows] else {
        throw Decline("the second reshape does not part the leading axes")
      }
    },
    replacement: { g, match in
      let rank = try match.shape("x").count
      return g.Transpose(
        match["x"], attributes: ["perm": .ints(Array(0..<rank - 2) + [rank - 1, rank - 2])])
    })
}
