import Foundation
import GraphIR
import TestSupport
import Testing

@Suite struct RotaryTests {
  /// Both layouts and both kinds of pairs against a rotation written out.
  @Test(arguments: [(false, 0), (true, 0), (false, 4), (true, 4)])
  func rotates(interleaved: Bool, dimension: Int) throws {
    let (batch, heads, positions, size) = (2, 3, 4, 6)
    let half = (dimension == 0 ? size : dimension) / 2
    var random = Seeded(5)
    let x = random.tensor([batch, heads, positions, size])
    let (cos, sin) = (random.tensor([7, half]), random.tensor([7, half]))
    let ids = (0..<batch * positions).map { Int64($0 * 3 % 7) }
    let attributes: [String: Attribute] = [
      "interleaved": .int(interleaved ? 1 : 0), "rotary_embedding_dim": .int(dimension),
      "num_heads": .int(heads),
    ]
    let y = try OperatorHarness.runOperator(
      "RotaryEmbedding", [x, cos, sin, Tensor(ids, shape: [batch, positions])], attributes: attributes,
      threads: 2)[0]
    let (from, c, s) = (x.array(of: Float.self), cos.array(of: Float.self), sin.array(of: Float.self))
    var expected = from
    for vector in 0..<batch * heads * positions {
      let row = Int(ids[vector / (heads * positions) * positions + vector % positions])
      for i in 0..<half {
        let a = vector * size + (interleaved ? 2 * i : i)
        let b = interleaved ? a + 1 : a + half
        let (cosine, sine) = (c[row * half + i], s[row * half + i])
        expected[a] = cosine * from[a] - sine * from[b]
        expected[b] = sine * from[a] + cosine * from[b]
      }
    }
    #expect(Comparison.largestDifference(y, Tensor(expected, shape: y.shape)) < 1e-6)

    func swapped(_ tensor: Tensor) throws -> Tensor {
      try OperatorHarness.runOperator("Transpose", [tensor], attributes: ["perm": .ints([0, 2, 1, 3])])[0]
    }
    func rows(_ cache: Tensor) throws -> Tensor {
      try OperatorHarness.runOperator("Gather", [cache, Tensor(ids, shape: [batch, positions])])[0]
    }
    let flat = try swapped(x).reshaped([batch, positions, heads * size])
    let z = try OperatorHarness.runOperator(
      "RotaryEmbedding", [flat, rows(cos), rows(sin)], attributes: attributes, inPlace: 0)[0]
    #expect(z.isIdentical(to: try swapped(y).reshaped(flat.shape)))
  }

  @Test func refuses() throws {
    let (x, cache) = (Tensor.zeros(.float32, [1, 2, 8]), Tensor.zeros(.float32, [3, 2]))
    func run(_ x: Tensor, _ ids: [Int64], _ attributes: [String: Attribute]) throws {
      _ = try OperatorHarness.runOperator(
        "RotaryEmbedding", [x, cache, cache, Tensor(ids, shape: [1, 2])], attributes: attributes)
    }
    try run(x, [0, 2], ["num_heads": .int(2)])
    #expect(throws: DataError("position 3 is not in the caches, which have 3")) {
      try run(x, [0, 3], ["num_heads": .int(2)])
    }
    for attributes: [String: Attribute] in [
      [:], ["num_heads": .int(3)], ["num_heads": .int(-1)], ["num_heads": .int(1)],
      ["num_heads": .int(2), "rotary_embedding_dim": .int(6)],
      ["num_heads": .int(2), "rotary_embedding_dim": .int(3)],
    ] {
      #expect(throws: DataError.self) { try run(x, [0, 1], attributes) }
    }
  }

  @Test func determinants() throws {
    func det(_ values: [Float], _ shape: [Int]) throws -> Tensor {
      try OperatorHarness.runOperator("Det", [Tensor(values, shape: shape)])[0]
    }
    #expect(try det([0, 1, 2, 3, 4, 5, 6, 7, 9], [3, 3]).array() == [-3] as [Float])
    #expect(try det([1, 2, 2, 4, 0, 2, 3, 0], [2, 2, 2]).array() == [0, -6] as [Float])
    #expect(try det([], [2, 0, 0]).array() == [1, 1] as [Float])
    #expect(throws: DataError.self) { try det([1, 2], [1, 2]) }
  }
}
