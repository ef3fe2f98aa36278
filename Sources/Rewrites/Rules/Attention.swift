import GraphIR

/// Attention written out in primitives, as exporters do: MatMul, scale, mask, Softmax, MatMul.
///
/// Queries, keys and values are `[batch, heads, length, size]`, or `[batch · heads, length, size]` (the form
/// of `baddbmm`). The rules differ in where the scale is: on the product, on the queries, on both factors.
/// A guard that turns NaN rows (all keys masked) into a constant is passed over.
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
    let scores = masked ? op.Add(scaling.pattern, "mask") : scaling.pattern
    let softmax = op.Softmax(scores).bound(as: "softmax")
    let guarded = op.Where(op.IsNaN(softmax), .scalar("fill"), softmax)
    return Rule(
      "attention-scaled-\(scaling.rawValue)\(masked ? "-masked" : "")",
      op.MatMul(.either([guarded, softmax]), "v"),
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
          guard mask.dtype == (try match.type("q")).dtype else { throw Decline("the mask is not added") }
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
        if rank == 3 {
          // One head: `[batch · heads, length, size]` is ONNX's three-dimensional form as it stands.
          attributes["q_num_heads"] = .int(1)
          attributes["kv_num_heads"] = .int(1)
        }
        let mask = masked ? match["mask"] : nil
        return g.emit("Attention", domain: "dsd", [match["q"], k, match["v"], mask], attributes)[0]
      })
  }
}
