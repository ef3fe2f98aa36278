import Foundation
import GraphIR
import Interpreter

/// How a cross-attention layer's scores become one number for each batch element: a statistic over text
/// positions, then the mean over heads and queries.
public enum Pooling: String, Sendable, CaseIterable {
  /// log Σ exp over the positions of q·k/√d: over all of them, the score of the paper.
  case logsumexp
  /// The largest q·k/√d.
  case max
  /// The mean q·k/√d.
  case mean
  /// The mean cosine of the angle between query and key.
  case cosine
  /// The softmax probability that falls on the positions, exp(logsumexp over them − logsumexp over all): 1 for
  /// all of them.
  case mass

  /// What has to be watched at an attention node. Only `logsumexp` over all positions spares the scores.
  func demand(over positions: TextPositions) -> Demand {
    switch self {
    case .logsumexp: Demand(forms: [positions == .all ? .logSumExp : .scores])
    case .max, .mean: Demand(forms: [.scores])
    case .cosine: Demand(inputs: [0, 1])
    case .mass: Demand(forms: [.scores, .logSumExp])
    }
  }

  /// One number for each span of text positions and batch element.
  /// - Parameters:
  ///   - values: what the demand asked for.
  ///   - batch: the number of batch elements; leading extents that also hold heads are folded into it.
  ///   - spans: text positions; nil means all.
  /// - Throws: `DataError` when the layer has fewer text positions.
  func pool(
    _ values: [Tensor], _ node: Node, batch: Int, over spans: [Range<Int>?] = [nil]
  ) throws -> [[Double]] {
    let wide = values.map { $0.converted(to: .float32) }
    if self == .cosine { return try Pooling.meanCosine(wide[0], wide[1], node, batch: batch, over: spans) }
    // Over all positions it is the node's own log-sum-exp.
    if self == .logsumexp, spans == [nil] { return [Pooling.meanPerElement(wide[0], batch: batch)] }
    let width = wide[0].shape.last ?? 1
    return try spans.map { span in
      let span = span ?? 0..<width
      guard span.upperBound <= width else {
        throw DataError(
          "\(node.label): has \(width) text positions, the caption reaches to \(span.upperBound)")
      }
      return meanOverRows(wide, span, batch: batch)
    }
  }

  /// The mean over the rows of each batch element of the statistic over `span`.
  private func meanOverRows(_ values: [Tensor], _ span: Range<Int>, batch: Int) -> [Double] {
    let width = values[0].shape.last ?? 1
    let rows = values[0].count / Swift.max(width * batch, 1)
    let scores = values[0].pointer(as: Float.self)
    let whole = values.count > 1 ? values[1].pointer(as: Float.self) : nil
    return (0..<batch).map { element in
      var sum = 0.0
      for row in element * rows..<(element + 1) * rows {
        let part = UnsafeBufferPointer(start: scores + row * width + span.lowerBound, count: span.count)
        sum += statistic(part, logSumExp: whole.map { Double($0[row]) })
      }
      return sum / Double(Swift.max(rows, 1))
    }
  }

  private func statistic(_ scores: UnsafeBufferPointer<Float>, logSumExp: Double?) -> Double {
    switch self {
    case .max: return Double(scores.max() ?? 0)
    case .logsumexp:
      let peak = Double(scores.max() ?? -.infinity)
      guard peak > -.infinity else { return peak }
      return peak + log(scores.reduce(0.0) { $0 + exp(Double($1) - peak) })
    case .mass:
      // A query that sees nothing has no probabilities.
      guard let whole = logSumExp, whole > -.infinity else { return 0 }
      return scores.reduce(0.0) { $0 + exp(Double($1) - whole) }
    default: return scores.reduce(0.0) { $0 + Double($1) } / Double(Swift.max(scores.count, 1))
    }
  }

  private static func meanPerElement(_ tensor: Tensor, batch: Int) -> [Double] {
    let size = tensor.count / Swift.max(batch, 1)
    let elements = tensor.pointer(as: Float.self)
    return (0..<batch).map { element in
      var sum = 0.0
      for i in 0..<size { sum += Double(elements[element * size + i]) }
      return sum / Double(Swift.max(size, 1))
    }
  }
}
