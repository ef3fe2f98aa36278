import GraphIR

extension Rule {
  /// Transpose(Transpose(x)) becomes one Transpose, or x where the two undo each other.
  public static let transposeOfTranspose = Rule(
    "transpose-of-transpose", op.Transpose(op.Transpose("x").bound(as: "inner")).bound(as: "outer"),
    replacement: { g, match in
      let rank = try match.shape("x").count
      let reversed = Array((0..<rank).reversed())
      let inner = match.ints("inner", "perm") ?? reversed
      let outer = match.ints("outer", "perm") ?? reversed
      let both = outer.map { inner[$0] }
      if both == Array(0..<rank) { return match["x"] }
      return g.Transpose(match["x"], attributes: ["perm": .ints(both)])
    })
}
