import GraphIR

/// Attention written out in primitives, as exporters do: MatMul, scale, mask, Softmax, MatMul.
///
/// Queries, keys and values are `[batch, heads, length, size]`, or `[batch · heads, length, size]` (the form
/// of `baddbmm`). The rules differ in where the scale is: on the product, on the queries, on both factors.
/// A guard that turns NaN rows (all keys masked) into zeros is passed over. Scores, or queries and keys, may
/// be widened before the softmax and its result narrowed after it.
extension Rule {
  /// Every form, the more specific first.
  public static let attention: [Rule] = Scaling.allCases.flatMap { scaling in
    [true, false].map { masked in attention(scaling, masked: masked) }
  }

  private enum Scaling: String, CaseIterable {
    case onBoth = "both"
    case onQueries = "queries"
    case onKeys = "keys"
    case onProduct = "product"
    case dividedProduct = "divided"
    case none

    /// The scores before any mask.
    var pattern: Pattern {
      switch self {
      case .onBoth: op.MatMul(op.Mul("q", .scalar("s")), op.Mul("kT", .scalar("t")))
      case .onQueries: op.MatMul(op.Mul("q", .scalar("s")), "kT")
      case .onKeys: op.MatMul("q", op.Mul("kT", .scalar("s")))
      case .onProduct: op.Mul(op.MatMul("q", "kT"), .scalar("s"))
      case .dividedProduct: op.Div(op.MatMul("q", "kT"), .scalar("s"))
      case .none: op.MatMul("q", "kT")
      }
    }

    func scale(_ match: Match) throws -> Double {
      switch self {
      case .onBoth: try match.number("s") * match.number("t")
      case .onQueries, .onKeys, .onProduct: try match.number("s")
      case .dividedProduct: try 1 / match.number("s")
      case .none: 1
      }
    }
  }

  private static func attention(_ scaling: Scaling, masked: Bool) -> Rule {
    let scaled: Pattern = .either([op.Cast(scaling.pattern).bound(as: "wideScores"), scaling.pattern])
    let scores = masked ? op.Add(scaled, "mask") : scaling.pattern
    let softmax = op.Softmax(.either([op.Cast(scores).bound(as: "wide"), scores])).bound(as: "softmax")
    let guarded = op.Where(op.IsNaN(softmax), .scalar("fill"), "softmax")
    let weights: Pattern = .either([guarded, softmax])
    return Rule(
      "attention-scaled-\(scaling.rawValue)\(masked ? "-masked" : "")",
      op.MatMul(.either([op.Cast(weights), weights]), "v"),
      where: { match in
        let q = try match.shape("q")
        let kT = try match.shape("kT")
        let v = try match.shape("v")
        // Softmax before opset 13 starts at axis 1 and joins the axes from there on.
        let axis = match.int("softmax", "axis") ?? (match.opset < 13 ? 1 : -1)
        guard axis == -1 || axis == q.count - 1 else { throw Decline("Softmax is not along the keys") }
        guard q.count == 3 || q.count == 4 else { throw Decline("queries have rank \(q.count)") }
        guard kT.count == q.count, v.count == q.count else { throw Decline("ranks differ") }
        guard q.dropLast(2) == kT.dropLast(2), q.dropLast(2) == v.dropLast(2) else {
          throw Decline("batches or heads are broadcast")
        }
        guard q.last == kT[kT.count - 2], kT.last == v[v.count - 2] else {
          throw Decline("keys do not fit queries and values")
        }
        if match.isBound("fill"), try match.number("fill") != 0 {
          throw Decline("rows without a key are not filled with 0")
        }
        if masked {
          let mask = try match.type("mask")
          guard mask.dtype.isFloat else { throw Decline("the mask is not added") }
          if q.count == 3, mask.shape?.dropLast(2).contains(where: { $0 != 1 }) ?? true {
            throw Decline("the mask differs between heads folded into the batch")
          }
        }
      },
      replacement: { g, match in
        let rank = try match.shape("q").count
        let swapped = Array(0..<rank - 2) + [rank - 1, rank - 2]
        let k = g.Transpose(match["kT"], attributes: ["perm": .ints(swapped)])
        var attributes: [String: Attribute] = ["scale": .float(Float(try scaling.scale(match)))]
        if match.isBound("wide") || match.isBound("wideScores") {
          attributes["softmax_precision"] = .int(Int(try match.type("softmax").dtype.rawValue))
        }
        if rank == 3 {
          // One head: `[batch · heads, length, size]` is ONNX's three-dimensional form as it stands.
          attributes["q_num_heads"] = .int(1)
          attributes["kv_num_heads"] = .int(1)
        }
        let mask = masked ? match["mask"] : nil
        // Where products are of different types, the whole is computed in the wider one.
        let (own, other) = (try match.type("q").dtype, try match.type("v").dtype)
        let wide = own.size < other.size ? other : own
        func cast(_ x: Value, _ from: DType, _ to: DType) -> Value {
          from == to ? x : g.Cast(x, attributes: ["to": .int(Int(to.rawValue))])
        }
        let inputs = [cast(match["q"], own, wide), cast(k, own, wide), cast(match["v"], other, wide), mask]
        let y = g.emit("Attention", domain: "dsd", inputs, attributes)[0]
        return cast(y, wide, other)
      })
  }

  /// Attention of one head on reshaped queries, keys and values, heads joined with the batch: the same on
  /// their own four axes.
  public static let attentionOfFoldedHeads = Rule(
    "attention-of-folded-heads",
    op.Attention(
      op.Reshape("q").bound(as: "foldedQ"), op.Reshape("k").bound(as: "foldedK"),
      op.Reshape("v").bound(as: "foldedV")
    ).bound(as: "attention"),
    where: { match in
      guard match.int("attention", "q_num_heads") == 1, match.int("attention", "kv_num_heads") == 1 else {
        throw Decline("the heads are not joined with the batch")
      }
      let node = match.nodes["attention"]!
      guard node.outputs.count == 1, node.inputs.count <= 4 else { throw Decline("it has a state") }
      for (own, folded) in [("q", "foldedQ"), ("k", "foldedK"), ("v", "foldedV")] {
        let shape = try match.shape(own)
        guard shape.count == 4, try match.shape(folded) == [shape[0] * shape[1], shape[2], shape[3]] else {
          throw Decline("\(own) is not `[batch, heads, length, size]`")
        }
        guard shape.prefix(2) == (try match.shape("q")).prefix(2) else {
          throw Decline("batches or heads differ")
        }
      }
    },
    replacement: { g, match in
      let node = match.nodes["attention"]!
      let attributes = node.attributes.filter { !["q_num_heads", "kv_num_heads"].contains($0.key) }
      let mask = node.inputs.count > 3 && !node.inputs[3].isEmpty ? Value(node.inputs[3]) : nil
      let inputs = [match["q"], match["k"], match["v"], mask]
      let y = g.emit("Attention", domain: node.domain, inputs, attributes)[0]
      guard let shape = try match.resultType().concreteShape else { throw Decline("the shape is not known") }
      return g.Reshape(y, g.ints(shape))
    })
}
