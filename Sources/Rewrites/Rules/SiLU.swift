import GraphIR

extension Rule {
  /// x · Sigmoid(x) becomes dsd.SiLU(x).
  public static let silu = Rule(
    "silu", op.Mul("x", op.Sigmoid("x")),
    replacement: { g, match in g.emit("SiLU", domain: "dsd", [match["x"]])[0] })
}
