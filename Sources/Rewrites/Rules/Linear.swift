import GraphIR

extension Rule {
  /// MatMul(x, Transpose(w)) + b becomes dsd.Linear(x, w, b): weights stay as checkpoints have them,
  /// `[out, in]`, and no transposed copy is made.
  public static let linearWithBias = Rule(
    "linear-with-bias", op.Add(op.MatMul("x", op.Transpose("w").bound(as: "transpose")), "b"),
    where: { match in
      try requireTransposedMatrix(match)
      let out = try match.shape("w")[0]
      guard try match.shape("b") == [out] else { throw Decline("b is not one number for each row of w") }
    },
    replacement: { g, match in g.emit("Linear", domain: "dsd", [match["x"], match["w"], match["b"]])[0] })

  /// MatMul(x, Transpose(w)) becomes dsd.Linear(x, w).
  public static let linear = Rule(
    "linear", op.MatMul("x", op.Transpose("w").bound(as: "transpose")),
    where: requireTransposedMatrix,
    replacement: { g, match in g.emit("Linear", domain: "dsd", [match["x"], match["w"]])[0] })

  /// dsd.Linear(x, Transpose(w)) becomes MatMul(x, w): gradients of linear layers whose weights a graph transposes.
  public static let linearOfTranspose = Rule(
    "linear-of-transpose", op.Linear("x", op.Transpose("w").bound(as: "transpose")),
    where: requireTransposedMatrix, replacement: { g, match in g.MatMul(match["x"], match["w"]) })

  private static func requireTransposedMatrix(_ match: Match) throws {
    guard try match.shape("w").count == 2 else { throw Decline("w is not a matrix") }
    guard match.ints("transpose", "perm") ?? [1, 0] == [1, 0] else { throw Decline("w is not transposed") }
    guard try match.shape("x").count >= 2 else { throw Decline("x is a vector") }
  }
}
