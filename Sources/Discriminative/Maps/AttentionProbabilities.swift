import Foundation
import GraphIR

/// The probabilities of one attention node, read where they are wanted.
struct AttentionProbabilities {
  let heads, queries, keys: Int
  private let values: Tensor
  private let logSumExp: Tensor?

  /// - Parameters:
  ///   - values: float32 `[…, queries, keys]`, all leading extents taken for heads.
  ///   - logSumExp: float32 `[…, queries]` where the values are scores; nil where they are probabilities.
  init(_ values: Tensor, logSumExp: Tensor?) {
    self.values = values
    self.logSumExp = logSumExp
    keys = values.shape[values.rank - 1]
    queries = values.shape[values.rank - 2]
    heads = values.count / max(queries * keys, 1)
  }

  /// For each span of keys and each query the sum of the probabilities, as the mean over heads.
  /// - Parameter content: keys that share the probability among themselves; all when nil.
  func maps(of spans: [Range<Int>], among content: Range<Int>?) -> [[Double]] {
    var result = [[Double]](repeating: [Double](repeating: 0, count: queries), count: spans.count)
    let elements = values.pointer(as: Float.self)
    let whole = logSumExp?.pointer(as: Float.self)
    for row in 0..<heads * queries {
      func sum(_ span: Range<Int>) -> Double {
        let part = UnsafeBufferPointer(start: elements + row * keys + span.lowerBound, count: span.count)
        guard let whole else { return part.reduce(0.0) { $0 + Double($1) } }
        // A query that sees nothing has no probabilities.
        guard whole[row].isFinite else { return 0 }
        return part.reduce(0.0) { $0 + exp(Double($1) - Double(whole[row])) }
      }
      let share = content.map(sum) ?? 1
      guard share > 0 else { continue }
      for (word, span) in spans.enumerated() {
        result[word][row % queries] += sum(span) / (share * Double(heads))
      }
    }
    return result
  }
}
