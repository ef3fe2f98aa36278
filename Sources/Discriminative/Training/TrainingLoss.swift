import GraphIR

/// The loss of one question, from its candidates' scores.
public enum TrainingLoss: Sendable, Equatable {
  /// max(0, margin + the best wrong score − the right one): that of the paper (arXiv 2305.10722).
  case hinge(margin: Float)
  /// −log of the right candidate's softmax of score / temperature.
  case crossEntropy(temperature: Float)

  /// What stands in the mask for a candidate that is none.
  public static let absent: Float = -1e9

  /// Writes the losses `[examples]` of scores `[examples, candidates]`, the right candidate's first.
  /// - Parameter mask: `[examples, candidates]`: 0, or `absent` where an example has fewer candidates.
  public func write(_ scores: Value, mask: Value, in g: GraphBuilder) -> Value {
    g.scope("loss") {
      let right = g.Slice(scores, g.ints([0]), g.ints([1]), g.ints([1]), name: "right")
      let known = g.Add(scores, mask)
      let first = g.ints([1], "axis")
      let each: Value
      switch self {
      case .hinge(let margin):
        let wrong = g.Slice(known, g.ints([1]), g.ints([.max]), first, name: "wrong")
        let hardest = g.ReduceMax(wrong, first, attributes: ["keepdims": .int(1)], name: "hardest")
        each = g.Relu(g.Add(g.Sub(hardest, right), g.scalar(margin, "margin")))
      case .crossEntropy(let temperature):
        let scale = g.scalar(1 / temperature, "scale")
        let whole = g.ReduceLogSumExp(
          g.Mul(known, scale), first, attributes: ["keepdims": .int(1)], name: "whole")
        each = g.Sub(whole, g.Mul(right, scale))
      }
      return g.Squeeze(each, first, name: "each")
    }
  }
}
