import GraphIR

extension Rule {
  /// GroupNormalization as exporters write it before opset 21: the groups as instances of
  /// InstanceNormalization, then a scale and a shift for each channel.
  public static let groupNormalization = Rule(
    "group-normalization",
    op.Add(
      op.Mul(
        op.Reshape(
          op.InstanceNormalization(op.Reshape("x").bound(as: "groups"), "ones", "zeros").bound(as: "norm")),
        "scale"), "bias"),
    where: { match in
      let (x, groups) = (try match.shape("x"), try match.shape("groups"))
      guard x.count >= 3, try match.resultType().concreteShape == x else {
        throw Decline("the result has another shape than x")
      }
      guard groups.count >= 3, groups[0] == x[0], groups[1] > 0, x[1] % groups[1] == 0 else {
        throw Decline("\(x) is not parted into groups of channels by \(groups)")
      }
      guard try match.numbers("ones").allSatisfy({ $0 == 1 }) else {
        throw Decline("InstanceNormalization scales by itself")
      }
      guard try match.numbers("zeros").allSatisfy({ $0 == 0 }) else {
        throw Decline("InstanceNormalization shifts by itself")
      }
      for name in ["scale", "bias"] {
        let ones = [Int](repeating: 1, count: x.count - 2)
        guard try match.shape(name).drop(while: { $0 == 1 }) == ([x[1]] + ones).drop(while: { $0 == 1 })
        else {
          throw Decline("\(name) is not one number for each channel")
        }
      }
    },
    replacement: { g, match in
      let channels = g.ints([try match.shape("x")[1]])
      return g.emit(
        "GroupNormalization", domain: "dsd",
        [match["x"], g.Reshape(match["scale"], channels), g.Reshape(match["bias"], channels)],
        [
          "num_groups": .int(try match.shape("groups")[1]),
          "epsilon": match.nodes["norm"]?.attributes["epsilon"] ?? .float(1e-5),
        ])[0]
    })
}
