import Foundation
import GraphIR

/// Attention by its definition in float64: whole score matrices, one step after another.
struct AttentionTwin {
  var batch = 1
  var queryHeads = 1
  var keyHeads = 1
  var queries = 1
  var keys = 1
  var past = 0
  var size = 4
  var valueSize = 4
  var packed = false
  var scale: Double?
  var softcap = 0.0
  var causal = false
  var left = -1
  var right = -1
  var mode = 0

  var total: Int { past + keys }

  /// The inputs' shapes: query, key, value.
  var shapes: [[Int]] {
    packed
      ? [
        [batch, queries, queryHeads * size], [batch, keys, keyHeads * size],
        [batch, keys, keyHeads * valueSize],
      ]
      : [
        [batch, queryHeads, queries, size], [batch, keyHeads, keys, size],
        [batch, keyHeads, keys, valueSize],
      ]
  }

  var attributes: [String: Attribute] {
    var result: [String: Attribute] = [
      "is_causal": .int(causal ? 1 : 0), "softcap": .float(Float(softcap)),
      "qk_matmul_output_mode": .int(mode), "left_window_size": .int(left),
      "right_window_size": .int(right),
    ]
    if packed {
      result["q_num_heads"] = .int(queryHeads)
      result["kv_num_heads"] = .int(keyHeads)
    }
    if let scale { result["scale"] = .float(Float(scale)) }
    return result
  }

  struct Results {
    var y: [Double]
    var key: [Double] = []
    var value: [Double] = []
    var scores: [Double]
    var lse: [Double]
  }

  /// - Parameter inputs: query, key, value, mask, past key, past value, lengths.
  func run(_ inputs: [Tensor?]) -> Results {
    func at(_ position: Int) -> Tensor? { position < inputs.count ? inputs[position] : nil }
    let q = heads(at(0)!, queryHeads, queries, size)
    let k = joined(at(4), heads(at(1)!, keyHeads, keys, size), size)
    let v = joined(at(5), heads(at(2)!, keyHeads, keys, valueSize), valueSize)
    let lengths = at(6)?.array(of: Int64.self).map { Int($0) }
    let bias = at(3).map { broadcastMask($0) }
    let rows = batch * queryHeads * queries
    var result = Results(
      y: [Double](repeating: 0, count: rows * valueSize), key: k, value: v,
      scores: [Double](repeating: 0, count: rows * total), lse: [Double](repeating: 0, count: rows))
    for b in 0..<batch {
      for h in 0..<queryHeads {
        let kv = b * keyHeads + h / (queryHeads / keyHeads)
        for i in 0..<queries {
          let row = (b * queryHeads + h) * queries + i
          var scores = (0..<total).map { j in
            (scale ?? 1 / Double(size).squareRoot())
              * (0..<size).reduce(0.0) { $0 + q[row * size + $1] * k[(kv * total + j) * size + $1] }
          }
          var kept = scores
          if softcap > 0 { scores = scores.map { softcap * tanh($0 / softcap) } }
          if mode == 1 { kept = scores }
          for j in 0..<total {
            let position = i + (at(4) != nil ? past : lengths.map { $0[b] - queries } ?? 0)
            let hidden =
              (causal && j > position) || (left >= 0 && j < position - left)
              || (right >= 0 && j > position + right) || (lengths.map { j >= $0[b] } ?? false)
            scores[j] = hidden ? -.infinity : scores[j] + (bias?[row * total + j] ?? 0)
          }
          if mode == 2 { kept = scores }
          let top = scores.max() ?? -.infinity
          let base = top == -.infinity ? 0 : top
          let sum = scores.reduce(0) { $0 + exp($1 - base) }
          let weights = scores.map { sum == 0 ? 0 : exp($0 - base) / sum }
          if mode == 3 { kept = weights }
          result.scores.replaceSubrange(row * total..<(row + 1) * total, with: kept)
          result.lse[row] = top + log(sum)
          let place = packed ? (b * queries + i) * queryHeads + h : row
          for d in 0..<valueSize {
            result.y[place * valueSize + d] = (0..<total).reduce(0) {
              $0 + weights[$1] * v[(kv * total + $1) * valueSize + d]
            }
          }
        }
      }
    }
    return result
  }

  /// Elements as [batch, heads, count, size].
  private func heads(_ t: Tensor, _ heads: Int, _ count: Int, _ size: Int) -> [Double] {
    let values = t.doubles
    guard packed else { return values }
    return (0..<values.count).map { index in
      let (d, s, h, b) = (
        index % size, index / size % count, index / (size * count) % heads, index / (size * count * heads)
      )
      return values[((b * count + s) * heads + h) * size + d]
    }
  }

  private func joined(_ past: Tensor?, _ new: [Double], _ size: Int) -> [Double] {
    guard let old = past?.doubles else { return new }
    let (before, after) = (self.past * size, keys * size)
    var result: [Double] = []
    for head in 0..<batch * keyHeads {
      result += old[(head * before)..<((head + 1) * before)]
      result += new[(head * after)..<((head + 1) * after)]
    }
    return result
  }

  /// The mask as numbers to add, [batch, heads, queries, total]; missing keys are hidden.
  private func broadcastMask(_ mask: Tensor) -> [Double] {
    let values = mask.dtype == .bool ? mask.doubles.map { $0 == 0 ? -Double.infinity : 0 } : mask.doubles
    let shape = Array(repeating: 1, count: 4 - mask.rank) + mask.shape
    return (0..<batch * queryHeads * queries * total).map { index in
      let place = [
        index / (queryHeads * queries * total), index / (queries * total) % queryHeads,
        index / total % queries, index % total,
      ]
      guard place[3] < shape[3] else { return -.infinity }
      return values[zip(place, shape).reduce(0) { $0 * $1.1 + ($1.1 == 1 ? 0 : $1.0) }]
    }
  }
}
