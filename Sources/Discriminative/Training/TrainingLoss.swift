import Foundation
import GraphIR

/// The loss of one question, from its candidates' scores.
public enum TrainingLoss: Sendable, Equatable {
  /// max(0, margin + the best wrong score − the right one): that of the paper (arXiv 2305.10722).
  case hinge(margin: Float)
  /// −log of the right candidate's softmax of score / temperature.
  case crossEntropy(temperature: Float)

  /// The loss of some scores, and its derivative by each of them.
  /// - Parameter scores: the right candidate's first. Of equal wrong ones the first counts.
  public func value(_ scores: [Double]) -> (loss: Double, gradient: [Double]) {
    var gradient = [Double](repeating: 0, count: scores.count)
    switch self {
    case .hinge(let margin):
      let hardest = scores.indices.dropFirst().max { (scores[$0], -$0) < (scores[$1], -$1) } ?? 0
      let loss = Double(margin) + scores[hardest] - scores[0]
      // Not "loss <= 0", which hides what is not a number.
      guard !(loss <= 0) else { return (0, gradient) }
      gradient[hardest] += 1
      gradient[0] -= 1
      return (loss, gradient)
    case .crossEntropy(let temperature):
      let logits = scores.map { $0 / Double(temperature) }
      let peak = logits.max() ?? 0
      let exponentials = logits.map { exp($0 - peak) }
      let sum = exponentials.reduce(0, +)
      for place in scores.indices {
        gradient[place] = (exponentials[place] / sum - (place == 0 ? 1 : 0)) / Double(temperature)
      }
      return (log(sum) + peak - logits[0], gradient)
    }
  }

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

extension TrainingLoss {
  /// A loss written `hinge:MARGIN` or `cross-entropy:TEMPERATURE`; the numbers may be left out.
  /// - Throws: `UsageError` that tells what there is.
  public init(_ text: String) throws {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let number = parts.count > 1 ? Float(parts[1]) : nil
    guard parts.count == 1 || number.map({ $0.isFinite && $0 >= 0 }) ?? false else {
      throw UsageError("--loss: '\(text)' is not hinge:MARGIN or cross-entropy:TEMPERATURE")
    }
    switch parts[0] {
    case "hinge": self = .hinge(margin: number ?? 0.1)
    case "cross-entropy" where number != 0: self = .crossEntropy(temperature: number ?? 1)
    default: throw UsageError("--loss: '\(text)' is not hinge:MARGIN or cross-entropy:TEMPERATURE")
    }
  }
}
