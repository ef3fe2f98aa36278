import GraphIR

extension Pooling {
  /// Mean over heads, queries and keys of cos(q, k), for each span of keys and batch element. Both factors of
  /// that mean are sums, so it is the product of the summed unit queries and the summed unit keys of each head.
  static func meanCosine(
    _ q: Tensor, _ k: Tensor, _ node: Node, batch: Int, over spans: [Range<Int>?]
  ) throws -> [[Double]] {
    var heads = 1
    if case .int(let count)? = node.attributes["q_num_heads"] { heads = count }
    if case .int(let count)? = node.attributes["kv_num_heads"], count != heads {
      throw DataError("\(node.label): cosine pooling needs as many key heads as query heads")
    }
    let queries = summedUnits(q, heads: heads, 0..<q.shape[q.rank - 2])
    let keyCount = k.shape[k.rank - 2]
    return try spans.map { span in
      let span = span ?? 0..<keyCount
      guard span.upperBound <= keyCount else {
        throw DataError(
          "\(node.label): has \(keyCount) text positions, the caption reaches to \(span.upperBound)")
      }
      let keys = summedUnits(k, heads: heads, span)
      guard queries.count == keys.count else {
        throw DataError("\(node.label): cosine pooling needs as many key heads as query heads")
      }
      let pairs = Double(q.shape[q.rank - 2] * span.count)
      let cosines = zip(queries, keys).map { a, b in
        zip(a, b).reduce(0.0) { $0 + $1.0 * $1.1 } / pairs
      }
      let size = cosines.count / Swift.max(batch, 1)
      return (0..<batch).map { element in
        cosines[element * size..<(element + 1) * size].reduce(0, +) / Double(Swift.max(size, 1))
      }
    }
  }

  /// Unit vectors of `[batch, length, heads · size]` or `[batch, heads, length, size]`, summed over the places
  /// `span` of the length: one sum for each batch element and head.
  private static func summedUnits(_ tensor: Tensor, heads: Int, _ span: Range<Int>) -> [[Double]] {
    let four = tensor.rank == 4
    let outer = tensor.shape[0] * (four ? tensor.shape[1] : 1)
    let length = tensor.shape[tensor.rank - 2]
    let size = tensor.shape[tensor.rank - 1] / (four ? 1 : heads)
    let groups = four ? 1 : heads
    let data = tensor.pointer(as: Float.self)
    var result = [[Double]](repeating: [Double](repeating: 0, count: size), count: outer * groups)
    for o in 0..<outer {
      for l in span {
        for g in 0..<groups {
          let vector = data + ((o * length + l) * groups + g) * size
          var norm = 0.0
          for d in 0..<size { norm += Double(vector[d]) * Double(vector[d]) }
          let scale = norm > 0 ? 1 / norm.squareRoot() : 0
          for d in 0..<size { result[o * groups + g][d] += Double(vector[d]) * scale }
        }
      }
    }
    return result
  }
}
