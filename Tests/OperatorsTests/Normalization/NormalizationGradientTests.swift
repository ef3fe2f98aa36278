import GraphIR
import TestSupport
import Testing

/// Gradients of normalizations against central differences of these, in float64.
@Suite struct NormalizationGradientTests {
  /// Checks all three gradients of `op` and that float32, two threads, in-place runs and single outputs agree.
  private func check(
    _ op: String, domain: String = "", _ inputs: [Tensor], _ attributes: [String: Attribute]
  ) throws {
    var random = ElementwiseRandom(77)
    let dY = random.floats(inputs[0].shape).converted(to: .float64)
    func gradients(_ dtype: DType, _ threads: Int, _ place: Int?) throws -> [Tensor] {
      let given = [inputs[0], inputs[1], dY].map { $0.converted(to: dtype).copy() }
      return try OperatorHarness.runOperator(
        op + "Gradient", domain: "dsd", given, attributes: attributes, outputs: 3, threads: threads,
        inPlace: place)
    }
    let wide = try gradients(.float64, 1, nil)
    let narrow = try gradients(.float32, 1, nil)
    for (position, input) in inputs.enumerated() {
      let expected = try FiniteDifferences.gradient(at: input) {
        FiniteDifferences.dot(
          dY,
          try OperatorHarness.runOperator(op, domain: domain, inputs, attributes: attributes)[0])
      }
      let label = "\(position) of \(op) \(inputs[0].shape)"
      #expect(Comparison.relativeToPeak(wide[position], expected) < 1e-6, "\(label)")
      #expect(Comparison.relativeToPeak(narrow[position], wide[position]) < 2e-5, "\(label)")
    }
    for (threads, place) in [(2, nil), (2, 2), (1, 0)] as [(Int, Int?)] {
      let again = try gradients(.float32, threads, place)
      for (a, b) in zip(again, narrow) { #expect(a.isIdentical(to: b)) }
      let wideAgain = try gradients(.float64, threads, place)
      for (a, b) in zip(wideAgain, wide) { #expect(a.isIdentical(to: b)) }
    }
    let alone = try OperatorHarness.runOperator(
      op + "Gradient", domain: "dsd", [inputs[0], inputs[1], dY].map { $0.converted(to: .float32) },
      attributes: attributes)
    #expect(alone[0].isIdentical(to: narrow[0]))
  }

  @Test(
    arguments: [(1, 1, 2, [7]), (2, 4, 3, [3, 5]), (3, 3, 1, [5, 3, 2]), (2, 2, 9, [17]), (2, 2, 3, [])]
      as [(Int, Int, Int, [Int])])
  func groups(_ batch: Int, _ groups: Int, _ perGroup: Int, _ size: [Int]) throws {
    var random = ElementwiseRandom(52)
    let channels = groups * perGroup
    for offset in [Float(0), 20] {
      let inputs = [
        random.floats([batch, channels] + size, in: offset - 2...offset + 2), random.floats([channels]),
        random.floats([channels]),
      ].map { $0.converted(to: .float64) }
      try check(
        "GroupNormalization", domain: "dsd", inputs, ["num_groups": .int(groups), "epsilon": .float(1e-3)])
    }
  }

  @Test(arguments: [([4, 7, 16], -1), ([5, 3, 17], 1), ([2, 3], 0), ([37, 20], 1)] as [([Int], Int)])
  func layers(_ shape: [Int], _ axis: Int) throws {
    var random = ElementwiseRandom(53)
    let row = Array(shape[(axis < 0 ? axis + shape.count : axis)...])
    let inputs = [random.floats(shape, in: 5...9), random.floats(row), random.floats(row)]
      .map { $0.converted(to: .float64) }
    try check("LayerNormalization", inputs, ["axis": .int(axis)])
  }

  @Test func emptyBatchesGiveZeros() throws {
    for (op, shape, attributes) in [
      ("LayerNormalization", [0, 4], [:]), ("GroupNormalization", [0, 4, 3], ["num_groups": .int(2)]),
    ] as [(String, [Int], [String: Attribute])] {
      let x = Tensor.zeros(.float32, shape)
      let outputs = try OperatorHarness.runOperator(
        op + "Gradient", domain: "dsd", [x, Tensor.zeros(.float32, [4]), x], attributes: attributes,
        outputs: 3)
      #expect(
        outputs[1].array() == [0, 0, 0, 0] as [Float] && outputs[2].array() == [0, 0, 0, 0] as [Float])
    }
  }

  @Test func errorsNameTheShapes() {
    let x = Tensor.zeros(.float32, [2, 4, 3])
    #expect(throws: DataError("Scale is float32[4], it must be [3]")) {
      try OperatorHarness.runOperator(
        "LayerNormalizationGradient", domain: "dsd", [x, Tensor.zeros(.float32, [4]), x])
    }
    #expect(throws: DataError("X is float32[2, 4, 3] and dY float32[4], they must have one shape")) {
      try OperatorHarness.runOperator(
        "GroupNormalizationGradient", domain: "dsd",
        [x, Tensor.zeros(.float32, [4]), Tensor.zeros(.float32, [4])],
        attributes: ["num_groups": .int(2)])
    }
  }
}
