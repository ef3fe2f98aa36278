import Foundation
import GraphIR
import Interpreter

/// How a cross-attention layer's scores become one number for each batch element: a statistic over the text
/// positions, then the mean over heads and queries.
public enum Pooling: String, Sendable, CaseIterable {
  /// log Σ exp over the text positions of q·k/√d: the score of the paper.
  case logsumexp
  /// The largest q·k/√d.
  case max
  /// The mean q·k/√d.
  case mean
  /// The mean cosine of the angle between query and key.
  case cosine

  /// What has to be watched at an attention node.
  var demand: Demand {
    switch self {
    case .logsumexp: Demand(forms: [.logSumExp])
    case .max, .mean: Demand(forms: [.scores])
    case .cosine: Demand(inputs: [0, 1])
    }
  }

  /// One number a batch element.
  /// - Parameters:
  ///   - values: what the demand asked for.
  ///   - batch: the number of batch elements; leading extents that also hold heads are folded into it.
  func pool(_ values: [Tensor], _ node: Node, batch: Int) throws -> [Double] {
    let wide = values.map { $0.converted(to: .float32) }
    switch self {
    case .logsumexp: return Pooling.meanPerElement(wide[0], batch: batch)
    case .max: return Pooling.meanPerElement(Pooling.rows(wide[0]) { $0.max() ?? 0 }, batch: batch)
    case .mean:
      return Pooling.meanPerElement(
        Pooling.rows(wide[0]) { row in
          Float(row.reduce(0.0) { $0 + Double($1) } / Double(Swift.max(row.count, 1)))
        }, batch: batch)
    case .cosine: return try Pooling.meanCosine(wide[0], wide[1], node, batch: batch)
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

  private static func rows(_ tensor: Tensor, _ statistic: (UnsafeBufferPointer<Float>) -> Float) -> Tensor {
    let width = tensor.shape.last ?? 1
    let result = Tensor(.float32, Array(tensor.shape.dropLast()))
    let source = tensor.pointer(as: Float.self)
    let out = result.pointer(as: Float.self)
    for row in 0..<result.count { out[row] = statistic(.init(start: source + row * width, count: width)) }
    return result
  }

  /// Mean over heads, queries and keys of cos(q, k). Both factors of that mean are sums, so it is the product
  /// of the summed unit queries and the summed unit keys of each head.
  private static func meanCosine(
    _ q: Tensor, _ k: Tensor, _ node: Node, batch: Int
  ) throws -> [Double] {
    var heads = 1
    if case .int(let count)? = node.attributes["q_num_heads"] { heads = count }
    if case .int(let count)? = node.attributes["kv_num_heads"], count != heads {
      throw DataError("\(node.label): cosine pooling needs as many key heads as query heads")
    }
    func sums(_ tensor: Tensor) -> (sums: [[Double]], count: Int) {
      // [batch, length, heads · size] or [batch, heads, length, size] to unit vectors summed over length.
      let four = tensor.rank == 4
      let outer = tensor.shape[0] * (four ? tensor.shape[1] : 1)
      let length = tensor.shape[tensor.rank - 2]
      let size = tensor.shape[tensor.rank - 1] / (four ? 1 : heads)
      let groups = four ? 1 : heads
      let data = tensor.pointer(as: Float.self)
      var result = [[Double]](repeating: [Double](repeating: 0, count: size), count: outer * groups)
      for o in 0..<outer {
        for l in 0..<length {
          for g in 0..<groups {
            let vector = data + ((o * length + l) * groups + g) * size
            var norm = 0.0
            for d in 0..<size { norm += Double(vector[d]) * Double(vector[d]) }
            let scale = norm > 0 ? 1 / norm.squareRoot() : 0
            for d in 0..<size { result[o * groups + g][d] += Double(vector[d]) * scale }
          }
        }
      }
      return (result, length)
    }
    let queries = sums(q)
    let keys = sums(k)
    guard queries.sums.count == keys.sums.count else {
      throw DataError("\(node.label): cosine pooling needs as many key heads as query heads")
    }
    let cosines = zip(queries.sums, keys.sums).map { a, b in
      zip(a, b).reduce(0.0) { $0 + $1.0 * $1.1 } / Double(queries.count * keys.count)
    }
    let size = cosines.count / Swift.max(batch, 1)
    return (0..<batch).map { element in
      cosines[element * size..<(element + 1) * size].reduce(0, +) / Double(Swift.max(size, 1))
    }
  }
}
