import GraphIR

/// Normalisations along the last axes, written out in primitives.
extension Rule {
  /// (x − mean) / √(variance + epsilon) · scale + bias is LayerNormalization; bias or both may be absent.
  public static let layerNormalization: [Rule] = [
    layerNormalization("", op.Add(op.Mul(centered, "scale"), "bias")),
    layerNormalization("-without-bias", op.Mul(centered, "scale")),
    layerNormalization("-plain", centered),
  ]

  /// x / √(mean of x² + epsilon) · scale becomes RMSNormalization.
  public static let rmsNormalization = Rule(
    "rms-normalization",
    op.Mul(.either([op.Cast(divided("x", by: root(of: "x"))), divided("x", by: root(of: "x"))]), "scale"),
    where: { match in
      try requirePowers(match)
      let axis = try normalizedAxis(match, "variance")
      try requireRow(match, "scale", from: axis)
    },
    replacement: { g, match in
      let axis = try normalizedAxis(match, "variance")
      return g.RMSNormalization(
        match["x"], try row(g, match, "scale", from: axis),
        attributes: ["axis": .int(axis), "epsilon": .float(Float(try match.number("epsilon")))])
    })

  /// √(mean of x² + epsilon)
  private static func root(of x: Pattern) -> Pattern {
    let square: Pattern = .either([op.Pow(x, .scalar("two")), op.Mul(x, x)])
    return op.Sqrt(op.Add(op.ReduceMean(square).bound(as: "variance"), .scalar("epsilon")))
  }

  private static func divided(_ x: Pattern, by root: Pattern) -> Pattern {
    .either([
      op.Div(x, root), op.Mul(x, .either([op.Reciprocal(root), op.Div(.scalar("one"), root)])),
    ])
  }

  private static let centered: Pattern = {
    let difference = op.Sub("x", op.ReduceMean("x").bound(as: "mean"))
    let own: Pattern = .either([
      op.Cast(difference).bound(as: "difference"), difference.bound(as: "difference"),
    ])
    let quotient = divided(own, by: root(of: "difference"))
    return .either([op.Cast(quotient), quotient])
  }()

  private static func layerNormalization(_ suffix: String, _ pattern: Pattern) -> Rule {
    Rule(
      "layer-normalization" + suffix, pattern,
      where: { match in
        try requirePowers(match)
        let axis = try normalizedAxis(match, "mean")
        guard try normalizedAxis(match, "variance") == axis else {
          throw Decline("mean and variance are along different axes")
        }
        for name in ["scale", "bias"] where match.isBound(name) { try requireRow(match, name, from: axis) }
      },
      replacement: { g, match in
        let axis = try normalizedAxis(match, "mean")
        let size = Array(try match.shape("x")[axis...])
        let ones = Tensor([Float](repeating: 1, count: Shape.count(size)), shape: size)
        let scale =
          match.isBound("scale")
          ? try row(g, match, "scale", from: axis)
          : g.constant(ones.converted(to: try match.type("x").dtype), "ones")
        return g.LayerNormalization(
          match["x"], scale, match.isBound("bias") ? try row(g, match, "bias", from: axis) : nil,
          attributes: ["axis": .int(axis), "epsilon": .float(Float(try match.number("epsilon")))])
      })
  }

  private static func requirePowers(_ match: Match) throws {
    if match.isBound("two") { try match.require("two", is: 2) }
    if match.isBound("one") { try match.require("one", is: 1) }
  }

  /// The first of the axes that a bound ReduceMean folds, when they are the last ones.
  private static func normalizedAxis(_ match: Match, _ label: String) throws -> Int {
    let rank = try match.shape("x").count
    guard let axes = match.axes(label), !axes.isEmpty else {
      throw Decline("the axes of \(label) are not known")
    }
    guard match.int(label, "keepdims") ?? 1 == 1 else { throw Decline("\(label) drops its axes") }
    let folded = Set(axes.map { $0 < 0 ? $0 + rank : $0 })
    guard folded == Set(rank - axes.count..<rank) else {
      throw Decline("\(label) is not along the last axes")
    }
    return rank - axes.count
  }

  private static func requireRow(_ match: Match, _ name: String, from axis: Int) throws {
    let row = try match.shape("x")[axis...]
    guard try match.shape(name).drop(while: { $0 == 1 }) == row.drop(while: { $0 == 1 }) else {
      throw Decline("\(name) is not one number for each of \(Array(row))")
    }
  }

  private static func row(_ g: GraphBuilder, _ match: Match, _ name: String, from axis: Int) throws -> Value {
    let row = Array(try match.shape("x")[axis...])
    return try match.shape(name) == row ? match[name] : g.Reshape(match[name], g.ints(row))
  }
}
