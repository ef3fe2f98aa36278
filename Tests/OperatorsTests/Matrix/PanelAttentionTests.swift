import CKernels
import GraphIR
import TestSupport
import Testing

@testable import Operators

@Suite("Attention by panels")
struct PanelAttentionTests {
  struct Case: CustomTestStringConvertible, Sendable {
    var batch = 1
    var heads = (query: 1, key: 1)
    var queries, keys: Int
    var size = (key: 64, value: 64)
    var packed = true
    /// Multiplies the queries: large ones make a softmax of one key.
    var spread = 1.0
    var testDescription: String { "\(batch) × \(heads) × \(queries) × \(keys) × \(size)" }

    func shape(_ count: Int, _ heads: Int, _ size: Int) -> [Int] {
      packed ? [batch, count, heads * size] : [batch, heads, count, size]
    }
  }

  static let cases = [
    Case(queries: 64, keys: 64), Case(batch: 2, heads: (3, 3), queries: 100, keys: 77),
    Case(heads: (4, 2), queries: 33, keys: 700, size: (40, 24), packed: false),
    Case(batch: 2, heads: (2, 1), queries: 17, keys: 1000, size: (9, 5), packed: false),
    Case(queries: 300, keys: 321, size: (80, 80), spread: 60),
    Case(queries: 16, keys: 5000, size: (512, 512)),
  ]

  private static func form(_ attributes: [String: Attribute]) throws -> AttentionForm {
    let values = ["is_causal": Attribute.int(0)].merging(attributes) { $1 }
    return try AttentionForm(Attributes(values, opset: 23), padsMask: false)
  }

  @Test("Every instruction set gives what float64 gives, whatever the number of threads", arguments: cases)
  func agrees(_ c: Case) throws {
    var random = Seeded(UInt64(c.queries * c.keys))
    var q = random.tensor(c.shape(c.queries, c.heads.query, c.size.key))
    let k = random.tensor(c.shape(c.keys, c.heads.key, c.size.key))
    let v = random.tensor(c.shape(c.keys, c.heads.key, c.size.value))
    q = Tensor(q.array(of: Float.self).map { $0 * Float(c.spread) }, shape: q.shape)
    let attributes: [String: Attribute] =
      c.packed ? ["q_num_heads": .int(c.heads.query), "kv_num_heads": .int(c.heads.key)] : [:]
    let expected = try runOnBoth(
      "Attention", domain: "dsd", [q, k, v].map { $0.converted(to: .float64) }, attributes,
      wanted: [true, false, false, false, true])
    let form = try Self.form(attributes)
    let extents = try form.extents([q, k, v].map { TensorType($0.dtype, $0.shape) })
    let shape = try #require(AttentionShape(extents))
    try check(c, shape, form, (q, k, v), expected, 0, (1e-5, 2e-6))
    // Where one key takes all, rounding scores may choose another one.
    if c.spread == 1 { try check(c, shape, form, (q, k, v), expected, 1, (2e-2, 1e-2)) }
  }

  private func check(
    _ c: Case, _ shape: AttentionShape, _ form: AttentionForm, _ inputs: (q: Tensor, k: Tensor, v: Tensor),
    _ expected: [Tensor?], _ bfloat16: Int32, _ limits: (y: Double, lse: Double)
  ) throws {
    let (q, k, v) = inputs
    var index = 0
    while let table = ck_panels_available(bfloat16, index) {
      let plan = try #require(
        PanelAttentionPlan(
          shape, form, hasMask: false, hasLengths: false, keepsScores: false, PanelKernels(table: table)))
      var results: [[Float]] = []
      for (threads, hasResult) in [(1, true), (3, true), (2, false)] {
        let y = Tensor(.float32, c.shape(c.queries, c.heads.query, c.size.value))
        let lse = Tensor(.float32, [c.batch, c.heads.query, c.queries])
        for output in [y, lse] { output.pointer(as: Float.self).update(repeating: .nan, count: output.count) }
        withExtendedLifetime((q, k, v)) {
          PanelAttention(
            plan: plan, q: shape.view(q.pointer(as: Float.self), c.heads.query, c.queries, c.size.key),
            k: shape.view(k.pointer(as: Float.self), c.heads.key, c.keys, c.size.key),
            v: shape.view(v.pointer(as: Float.self), c.heads.key, c.keys, c.size.value),
            scale: form.factor(shape), y: hasResult ? y.pointer(as: Float.self) : nil,
            logSumExp: lse.pointer(as: Float.self)
          ).run(RunContext(pool: ThreadPool(threads: threads), workspace: .init(start: nil, count: 0)))
        }
        if hasResult {
          #expect(Comparison.relativeToPeak(y, expected[0]!) < limits.y, "kernels \(index)")
          results.append(y.array(of: Float.self))
        }
        #expect(Comparison.relativeToPeak(lse, expected[4]!) < limits.lse, "kernels \(index)")
      }
      #expect(results[0] == results[1])
      index += 1
    }
  }

  @Test("What hides keys, keeps scores or is small is left to the other kernel")
  func declines() throws {
    let types = [[1, 64, 64], [1, 64, 64], [1, 64, 64]].map { TensorType(.float32, $0) }
    func plan(_ more: [String: Attribute] = [:], mask: Bool = false, scores: Bool = false) throws -> Bool {
      let form = try Self.form(["q_num_heads": .int(1), "kv_num_heads": .int(1)].merging(more) { $1 })
      let shape = try #require(AttentionShape(try form.extents(types)))
      return PanelAttentionPlan(shape, form, hasMask: mask, hasLengths: false, keepsScores: scores) != nil
    }
    #expect(try plan() == (ck_panels_available(0, 0) != nil))
    #expect(try !plan(mask: true))
    #expect(try !plan(scores: true))
    #expect(try !plan(["is_causal": .int(1)]))
    #expect(try !plan(["softcap": .float(2)]))
    #expect(try !plan(["left_window_size": .int(3)]))
  }
}
