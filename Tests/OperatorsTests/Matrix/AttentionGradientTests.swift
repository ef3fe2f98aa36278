import GraphIR
import TestSupport
import Testing

@testable import Operators

@Suite struct AttentionGradientTests {
  /// Inputs of the forward operator, what it gave, and the gradients of its outputs.
  private struct Case {
    let inputs: [Tensor?]
    let attributes: [String: Attribute]
    let y, lse: Tensor
    var dY, dlse: Tensor?

    init(_ inputs: [Tensor?], _ attributes: [String: Attribute], _ numbers: inout MatrixNumbers) throws {
      self.inputs = inputs
      self.attributes = attributes.filter { $0.key != "qk_matmul_output_mode" }
      let outputs = try MatrixRun.outputs(
        "Attention", domain: "dsd", inputs, self.attributes, wanted: [true, false, false, false, true])
      (y, lse) = (outputs[0]!, outputs[4]!)
      (dY, dlse) = (numbers.tensor(y.dtype, y.shape), numbers.tensor(lse.dtype, lse.shape))
    }

    /// Σ dY · Y + Σ dlse · lse, rows that see no key left out.
    func loss() throws -> Double {
      let outputs = try MatrixRun.outputs(
        "Attention", domain: "dsd", inputs, attributes,
        wanted: [dY != nil, false, false, false, dlse != nil],
        threads: 1)
      var sum = dY.map { FiniteDifferences.dot($0, outputs[0]!) } ?? 0
      if let dlse {
        for (a, b) in zip(dlse.doubles, outputs[4]!.doubles) where b != -.infinity { sum += a * b }
      }
      return sum
    }

    func gradients(_ wanted: [Bool] = [true, true, true]) throws -> [Tensor?] {
      let mask = inputs.count > 3 ? inputs[3] : nil
      return try runOnBoth(
        "AttentionGradient", domain: "dsd",
        Array(inputs.prefix(3)) + [mask, dY == nil ? nil : y, lse, dY, dlse], attributes, wanted: wanted)
    }

    /// The same in another type.
    func converted(to dtype: DType) -> Case {
      var result = self
      result.dY = dY?.converted(to: dtype)
      result.dlse = dlse?.converted(to: dtype)
      return Case(copying: result, dtype)
    }

    private init(copying other: Case, _ dtype: DType) {
      inputs = other.inputs.map { $0.map { $0.dtype == .bool ? $0 : $0.converted(to: dtype) } }
      attributes = other.attributes
      (y, lse) = (other.y.converted(to: dtype), other.lse.converted(to: dtype))
      (dY, dlse) = (other.dY, other.dlse)
    }
  }

  @Test func againstFiniteDifferences() throws {
    var numbers = MatrixNumbers(21)
    for round in 0..<60 {
      var twin = AttentionTwin()
      twin.batch = numbers.pick([1, 2])
      twin.keyHeads = numbers.pick([1, 2, 3])
      twin.queryHeads = twin.keyHeads * numbers.pick([1, 1, 2])
      twin.queries = numbers.pick([1, 3, 7])
      twin.keys = numbers.pick([1, 5, 11])
      twin.size = numbers.pick([1, 4, 5])
      twin.valueSize = numbers.pick([twin.size, 3])
      twin.packed = round % 2 == 0
      twin.causal = numbers.below(3) == 0
      twin.softcap = numbers.pick([0, 0, 2])
      twin.scale = numbers.pick([nil, nil, 1.25])
      if numbers.below(4) == 0 { (twin.left, twin.right) = (numbers.below(9), numbers.below(9) - 1) }
      var inputs: [Tensor?] = twin.shapes.map { numbers.tensor(.float64, $0) }
      if numbers.below(2) == 0 {
        let shape = numbers.pick([
          [twin.queries, twin.keys], [1, twin.keys], [twin.queryHeads, twin.queries, twin.keys],
          [twin.batch, 1, twin.queries, twin.keys], [twin.queries, 1],
        ])
        inputs.append(numbers.below(2) == 0 ? numbers.flags(shape) : numbers.tensor(.float64, shape))
      }
      var sample = try Case(inputs, twin.attributes, &numbers)
      if round % 5 == 1 { sample.dY = nil }
      if round % 5 == 2 { sample.dlse = nil }
      let gradients = try sample.gradients()
      // A gradient may vanish, such as that of queries that see one key: all together have a size.
      let narrow = try sample.converted(to: .float32).gradients().flatMap { $0!.doubles }
      let all = gradients.flatMap { $0!.doubles }
      let error = zip(narrow, all).reduce(0) { max($0, abs($1.0 - $1.1)) }
      #expect(error < 1e-5 * all.reduce(0) { max($0, abs($1)) }, "float32 of \(twin)")
      for position in 0..<3 {
        let expected = try FiniteDifferences.gradient(at: inputs[position]!, of: sample.loss)
        #expect(gradients[position]!.error(from: expected.doubles) < 1e-7, "\(position) of \(twin)")
        // One output alone is the same as all together.
        let alone = try sample.gradients((0..<3).map { $0 == position })[position]!
        #expect(alone.isIdentical(to: gradients[position]!))
      }
    }
  }

  /// Several segments, blocks and pieces with rests: the sum over queries that are attended to one by one.
  @Test(arguments: [false, true])
  func manyPieces(_ causal: Bool) throws {
    var numbers = MatrixNumbers(22)
    var twin = AttentionTwin()
    (twin.queries, twin.keys, twin.size, twin.valueSize, twin.causal) = (300, 1300, 8, 3, causal)
    (twin.queryHeads, twin.keyHeads, twin.packed) = (4, 2, !causal)
    let inputs = twin.shapes.map { numbers.tensor(.float64, $0) }
    let sample = try Case(inputs, twin.attributes, &numbers)
    let gradients = try sample.gradients()
    let narrow = try sample.converted(to: .float32).gradients()
    for position in 0..<3 {
      #expect(narrow[position]!.error(from: gradients[position]!.doubles) < 1e-5)
      // Along a random direction.
      let direction = numbers.tensor(.float64, inputs[position].shape)
      let slope = FiniteDifferences.dot(direction, gradients[position]!)
      let kept = inputs[position].copy()
      func loss(_ step: Double) throws -> Double {
        for i in 0..<kept.count {
          inputs[position].pointer(as: Double.self)[i] = kept.doubles(i) + step * direction.doubles(i)
        }
        return try sample.loss()
      }
      let expected = (try loss(1e-5) - loss(-1e-5)) / 2e-5
      inputs[position].assign(kept)
      #expect(abs(slope - expected) < 1e-6 * abs(expected), "\(position)")
    }
  }

  /// A query that sees no key gets zeros and gives none.
  @Test func fullyMaskedRows() throws {
    var numbers = MatrixNumbers(23)
    var twin = AttentionTwin()
    (twin.queries, twin.keys) = (3, 5)
    for dtype in [DType.float32, .float64] {
      var inputs: [Tensor?] = twin.shapes.map { numbers.tensor(dtype, $0) }
      inputs.append(Tensor((0..<15).map { $0 >= 5 }, shape: [3, 5]))
      var sample = try Case(inputs, twin.attributes, &numbers)
      let gradients = try sample.gradients()
      #expect(gradients[0]!.doubles.prefix(4).allSatisfy { $0 == 0 })
      #expect(gradients.allSatisfy { $0!.doubles.allSatisfy(\.isFinite) })
      // Whatever its own gradient is.
      let other = sample.dlse!.copy()
      other.pointer.copyMemory(
        from: Tensor([Float.infinity], shape: [1]).converted(to: dtype).pointer, byteCount: dtype.size)
      sample.dlse = other
      for (a, b) in zip(try sample.gradients(), gradients) { #expect(a!.isIdentical(to: b!)) }
    }
  }

  @Test func withoutKeysOrQueries() throws {
    for (queries, keys) in [(3, 0), (0, 3)] {
      let q = Tensor.zeros(.float32, [1, 2, queries, 4])
      let k = Tensor.zeros(.float32, [1, 2, keys, 4])
      let lse = Tensor([Float](repeating: -.infinity, count: 2 * queries), shape: [1, 2, queries])
      let outputs = try runOnBoth(
        "AttentionGradient", domain: "dsd", [q, k, k, nil, q, lse, q, lse], wanted: [true, true, true])
      #expect(outputs.allSatisfy { $0!.doubles.allSatisfy { $0 == 0 } })
    }
  }

  @Test func errorsNameTheShapes() {
    func run(_ shapes: [[Int]?]) -> String {
      let inputs = shapes.map { $0.map { Tensor.zeros(.float32, $0) } }
      return message {
        _ = try MatrixRun.outputs("AttentionGradient", domain: "dsd", inputs, wanted: [true])
      }
    }
    let good = [1, 2, 3, 4]
    #expect(
      run([good, good, good, nil, nil, [1, 2, 4]]).contains("lse is float32[1, 2, 4], it must be [1, 2, 3]"))
    #expect(run([good, good, good, nil, nil, [1, 2, 3], good]).contains("Y and dY go together"))
    #expect(run([good, [1, 2, 3, 5], good, nil, nil, [1, 2, 3]]).contains("head sizes 4 and 5 differ"))
    #expect(run([good, good, good]).contains("input 'lse' is missing"))
  }

  /// Sizes that a file may have made up do not trap.
  @Test func hugeExtents() throws {
    let huge = TensorType(.float32, [1, 1 << 40, 1 << 40, 4])
    let gradient = try AttentionGradient(Attributes([:], opset: 1))
    let types = [huge, huge, huge, nil, nil, nil]
    #expect(gradient.multiplyAdds(types, []) >= 0)
    #expect(gradient.workspace(types, threads: 2) > 0)
  }
}

extension Tensor {
  fileprivate func doubles(_ index: Int) -> Double { pointer(as: Double.self)[index] }
}
