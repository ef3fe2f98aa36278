import CKernels
import Foundation
import GraphIR
import Testing

@testable import Operators

@Suite struct AttentionTests {
  /// Runs our own operator with all outputs and compares each with the twin.
  private func check(_ twin: AttentionTwin, _ inputs: [Tensor?], past: Bool = false) throws {
    let dtype = inputs[0]!.dtype
    let expected = twin.run(inputs)
    let all = [true, true, true, true, true]
    let outputs = try runOnBoth("Attention", domain: "dsd", inputs, twin.attributes, wanted: all)
    let tolerance = dtype.tolerance
    #expect(outputs[0]!.error(from: expected.y) < tolerance, "Y of \(twin)")
    #expect(outputs[1]!.doubles == expected.key)
    #expect(outputs[2]!.doubles == expected.value)
    #expect(outputs[3]!.error(from: expected.scores) < tolerance, "scores of \(twin)")
    #expect(outputs[4]!.error(from: expected.lse) < tolerance, "lse of \(twin)")
    // Asking for scores changes nothing else, and neither does the domain.
    let alone = try runOnBoth("Attention", opset: 25, inputs, twin.attributes)
    #expect(alone[0]!.isIdentical(to: outputs[0]!))
  }

  @Test(arguments: [DType.float32, .float64])
  func againstDefinition(_ dtype: DType) throws {
    var numbers = MatrixNumbers(9)
    for round in 0..<80 {
      var twin = AttentionTwin()
      twin.batch = numbers.pick([1, 2])
      twin.keyHeads = numbers.pick([1, 2, 3])
      twin.queryHeads = twin.keyHeads * numbers.pick([1, 1, 2])
      twin.queries = numbers.pick([1, 3, 17, 70])
      twin.keys = numbers.pick([1, 5, 33, 77])
      twin.size = numbers.pick([1, 4, 9])
      twin.valueSize = numbers.pick([twin.size, 5])
      twin.packed = round % 2 == 0
      twin.past = numbers.pick([0, 0, 3, 20])
      twin.mode = numbers.below(4)
      twin.causal = numbers.below(3) == 0
      twin.softcap = numbers.pick([0, 0, 2])
      twin.scale = numbers.pick([nil, nil, 0.25])
      if numbers.below(4) == 0 { (twin.left, twin.right) = (numbers.below(9), numbers.below(9) - 1) }
      var inputs: [Tensor?] = twin.shapes.map { numbers.tensor(dtype, $0) }
      inputs += [nil, nil, nil, nil]
      let total = twin.total
      if numbers.below(2) == 0 {
        let shape = numbers.pick([
          [twin.queries, total], [1, total], [twin.queryHeads, twin.queries, total],
          [twin.batch, 1, twin.queries, total], [twin.batch, twin.queryHeads, 1, total],
        ])
        inputs[3] = numbers.below(2) == 0 ? numbers.flags(shape) : numbers.tensor(dtype, shape)
      }
      if twin.past > 0 {
        inputs[4] = numbers.tensor(dtype, [twin.batch, twin.keyHeads, twin.past, twin.size])
        inputs[5] = numbers.tensor(dtype, [twin.batch, twin.keyHeads, twin.past, twin.valueSize])
      } else if numbers.below(3) == 0 {
        inputs[6] = Tensor(
          (0..<twin.batch).map { _ in Int64(numbers.below(twin.keys + 1)) }, shape: [twin.batch])
      }
      try check(twin, inputs)
    }
  }

  /// Several blocks of queries and pieces of keys, with rests.
  @Test(arguments: [false, true])
  func manyPieces(_ causal: Bool) throws {
    var numbers = MatrixNumbers(10)
    var twin = AttentionTwin()
    (twin.queries, twin.keys, twin.past, twin.size, twin.valueSize) = (300, 1300, 700, 8, 3)
    (twin.causal, twin.mode) = (causal, 3)
    if causal { (twin.left, twin.packed) = (900, true) }
    var inputs: [Tensor?] = twin.shapes.map { numbers.tensor($0) }
    inputs += [nil, numbers.tensor([1, 1, 700, 8]), numbers.tensor([1, 1, 700, 3])]
    try check(twin, inputs)
  }

  @Test func largeScoresDoNotOverflow() throws {
    var numbers = MatrixNumbers(11)
    var twin = AttentionTwin()
    (twin.queries, twin.keys, twin.scale) = (5, 9, 500)
    try check(twin, twin.shapes.map { numbers.tensor(.float64, $0) })
    let inputs = twin.shapes.map { numbers.tensor($0) }
    let outputs = try runOnBoth(
      "Attention", domain: "dsd", inputs, twin.attributes, wanted: [true, false, false, false, true])
    #expect((outputs[0]!.doubles + outputs[4]!.doubles).allSatisfy { $0.isFinite })
  }

  /// A query that sees no key gives zeros, whatever its scores are.
  @Test func fullyMaskedRows() throws {
    var numbers = MatrixNumbers(12)
    var twin = AttentionTwin()
    (twin.queries, twin.keys, twin.mode) = (3, 700, 3)
    for dtype in [DType.float32, .float64] {
      var inputs: [Tensor?] = twin.shapes.map { numbers.tensor(dtype, $0) }
      // Infinity as the first element: its scores are infinite or NaN.
      inputs[0]!.pointer.storeBytes(
        of: dtype == .float32 ? UInt64(0x7F80_0000) : 0x7FF0_0000_0000_0000, as: UInt64.self)
      inputs.append(Tensor((0..<3 * 700).map { $0 >= 700 }, shape: [3, 700]))
      let outputs = try runOnBoth(
        "Attention", domain: "dsd", inputs, twin.attributes, wanted: [true, false, false, true, true])
      #expect(outputs[0]!.doubles.prefix(4).allSatisfy { $0 == 0 })
      #expect(outputs[3]!.doubles.prefix(700).allSatisfy { $0 == 0 })
      #expect(outputs[4]!.doubles[0] == -.infinity)
      #expect(outputs[0]!.doubles.dropFirst(4).allSatisfy { $0 != 0 && $0.isFinite })
    }
  }

  @Test func withoutKeysTheResultIsZero() throws {
    let (q, k) = (Tensor.zeros(.float32, [1, 2, 3, 4]), Tensor(.float32, [1, 2, 0, 4]))
    let wanted = [true, true, true, true, true]
    let outputs = try runOnBoth("Attention", domain: "dsd", [q, k, k], wanted: wanted)
    #expect(outputs[0]!.doubles.allSatisfy { $0 == 0 } && outputs[3]!.count == 0)
    #expect(outputs[4]!.doubles.allSatisfy { $0 == -.infinity })
  }

  /// Extents that no memory holds are refused or left unknown, not computed with.
  @Test func hugeExtents() throws {
    let huge = TensorType(.float32, [1, 1 << 40, 1 << 40, 4])
    let attention = try AttentionWithLogSumExp(Attributes([:], opset: 1))
    let past = TensorType(.float32, [1, 1 << 40, Int.max, 4])
    let types = [huge, huge, huge, nil, past, past]
    let inferred = try attention.infer(InferenceInputs(types))
    // No tensor can be that large; counting its work must not trap.
    #expect(inferred[3].byteCount == nil)
    #expect(attention.multiplyAdds(types, inferred) >= 0)
    #expect(attention.workspace(types, threads: 2) > 0)
  }

  @Test func maskOfOneKeyFollowsTheOpset() throws {
    var numbers = MatrixNumbers(13)
    var twin = AttentionTwin()
    (twin.queries, twin.keys) = (2, 3)
    let inputs = twin.shapes.map { numbers.tensor($0) }
    let mask = Tensor([0, 0] as [Float], shape: [2, 1])
    let repeated = try runOnBoth("Attention", opset: 23, inputs + [mask])[0]!
    #expect(repeated.error(from: twin.run(inputs).y) < 1e-6)
    let padded = try runOnBoth("Attention", opset: 24, inputs + [mask])[0]!
    let first = inputs[2].doubles.prefix(4)
    #expect(padded.error(from: Array(first + first)) < 1e-6)
  }

  @Test func halfInputsGiveFullLogSumExp() throws {
    var numbers = MatrixNumbers(14)
    let inputs = AttentionTwin().shapes.map { numbers.tensor(.float16, $0) }
    let outputs = try runOnBoth(
      "Attention", domain: "dsd", inputs, wanted: [true, false, false, true, true])
    #expect(outputs[0]!.dtype == .float16 && outputs[3]!.dtype == .float16)
    #expect(outputs[4]!.dtype == .float32)
  }

  @Test func softmaxPrecisionOfFloat64Widens() throws {
    var numbers = MatrixNumbers(15)
    var twin = AttentionTwin()
    (twin.queries, twin.keys) = (4, 20)
    let inputs = twin.shapes.map { numbers.tensor($0) }
    let y = try runOnBoth("Attention", inputs, ["softmax_precision": .int(11)])[0]!
    #expect(y.dtype == .float32)
    #expect(y.error(from: twin.run(inputs).y) < 1e-7)
  }

  @Test func errorsNameTheSizes() {
    func run(_ shapes: [[Int]?], _ attributes: [String: Attribute] = [:]) -> String {
      let inputs = shapes.map { $0.map { Tensor.zeros(.float32, $0) } }
      return message { _ = try MatrixRun.outputs("Attention", inputs, attributes) }
    }
    let good = [1, 2, 3, 4]
    #expect(run([good, [1, 2, 3, 5], good]).contains("head sizes 4 and 5 differ"))
    #expect(run([good, good, [1, 2, 6, 4]]).contains("key counts 3 and 6 differ"))
    #expect(run([good, [1, 3, 3, 4], [1, 3, 3, 4]]).contains("2 query heads are not a multiple of 3"))
    #expect(run([[1, 3, 8], [1, 3, 8], [1, 3, 8]]).contains("q_num_heads"))
    #expect(run([good, good, good, [4, 3]]).contains("does not broadcast to 3"))
    #expect(run([good, good, good, [3, 4]]).contains("for 4 keys, there are 3"))
    #expect(run([good, good, good, nil, good]).contains("go together"))
    #expect(run([good, good, good], ["qk_matmul_output_mode": .int(4)]).contains("not 0 to 3"))
    #expect(
      run([[1, 3, 9], [1, 3, 8], [1, 3, 8]], ["q_num_heads": .int(2), "kv_num_heads": .int(2)])
        .contains("does not part into 2 heads"))
  }

  @Test func unknownExtentsStayUnknown() throws {
    let attention = try Attention(
      Attributes(["q_num_heads": .int(2), "kv_num_heads": .int(2)], opset: 23))
    let q = TensorType(.float32, ["n", "s", 16])
    let k = TensorType(.float32, ["n", 77, 16])
    let inferred = try attention.infer(InferenceInputs([q, k, k], outputCount: 4))
    #expect(inferred[0].shape == ["n", "s", 16])
    #expect(inferred[1].shape == ["n", 2, 77, 8])
    #expect(inferred[3].shape == ["n", 2, "s", 77])
    #expect(try attention.infer(InferenceInputs([.init(.float32, nil as [Dim]?), k, k]))[0].rank == 3)
    let full = TensorType(.float32, [1, 10, 16])
    #expect(attention.multiplyAdds([full, full, full], inferred) == 2 * 10 * 10 * 16)
  }

  @Test func exposing() throws {
    let node = Node("Attention", name: "a", inputs: ["q", "k", "v"], outputs: ["y"])
    let lse = try #require(Attention.exposing(.logSumExp, of: node, as: "lse"))
    #expect(lse.domain == "dsd" && lse.outputs == ["y", "", "", "", "lse"])
    let scores = try #require(Attention.exposing(.scores, of: node, as: "s"))
    #expect(scores.domain == "" && scores.outputs == ["y", "", "", "s"])
    #expect(scores.attributes["qk_matmul_output_mode"] == .int(2))
    let both = try #require(AttentionWithLogSumExp.exposing(.probabilities, of: lse, as: "p"))
    #expect(both.outputs == ["y", "", "", "p", "lse"] && both.domain == "dsd")
    #expect(both.attributes["qk_matmul_output_mode"] == .int(3))
    // Output 3 holds one stage only; the same one again is the node as it is.
    #expect(AttentionWithLogSumExp.exposing(.scores, of: both, as: "s") == nil)
    #expect(AttentionWithLogSumExp.exposing(.probabilities, of: both, as: "q") == both)
    #expect(Attention.exposing(ValueForm(rawValue: "other"), of: node, as: "x") == nil)
    #expect(MatMul.exposing(.scores, of: node, as: "x") == nil)
  }
}

@Suite struct ExponentialTests {
  @Test func withinTwoUnitsInTheLastPlace() {
    var worst = 0.0
    for step in -870_000...887_000 {
      let x = Float(step) / 10_000
      let exact = exp(Double(x))
      worst = max(worst, abs(Double(ck_expf(x)) - exact) / Double(Float(exact).ulp))
    }
    #expect(worst < 2)
    worst = 0
    for step in -870_000...0 {
      let x = Float(step) / 10_000
      let exact = exp(Double(x))
      worst = max(worst, abs(Double(ck_expf_below(x)) - exact) / Double(Float(exact).ulp))
    }
    #expect(worst < 2)
  }

  @Test func limits() {
    #expect(ck_expf_below(0) == 1)
    #expect(ck_expf_below(-88) == 0 && ck_expf_below(-.infinity) == 0)
    #expect(ck_expf_below(.nan).isNaN)
    #expect(ck_expf(0) == 1)
    #expect(ck_expf(-.infinity) == 0)
    #expect(ck_expf(-1e30) == 0)
    #expect(ck_expf(.infinity) == .infinity)
    #expect(ck_expf(100) == .infinity)
    #expect(ck_expf(.nan).isNaN)
  }

  /// The vectorised softmax step against the plain one for float64.
  @Test func softmaxPiece() {
    var numbers = MatrixNumbers(16)
    for columns in [1, 15, 16, 17, 77, 515] {
      let rows = 3
      let a = numbers.tensor([rows, columns + 2])
      let b = a.converted(to: .float64)
      let state: [[Float]] = [[-.infinity, 0.5, 2], [0, 1, 3], [0, 0, 0]]
      let narrow = state.map { Tensor($0, shape: [3]) }
      let wide = narrow.map { $0.converted(to: .float64) }
      Float.softmaxPiece(
        a.pointer(as: Float.self), rows: rows, columns: columns, stride: columns + 2,
        maximum: narrow[0].pointer(as: Float.self), sum: narrow[1].pointer(as: Float.self),
        decay: narrow[2].pointer(as: Float.self))
      Double.softmaxPiece(
        b.pointer(as: Double.self), rows: rows, columns: columns, stride: columns + 2,
        maximum: wide[0].pointer(as: Double.self), sum: wide[1].pointer(as: Double.self),
        decay: wide[2].pointer(as: Double.self))
      #expect(a.error(from: b.doubles) < 1e-6)
      for (x, y) in zip(narrow, wide) { #expect(x.error(from: y.doubles) < 1e-6) }
    }
  }
}
