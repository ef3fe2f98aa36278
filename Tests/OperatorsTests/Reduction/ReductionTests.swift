import Foundation
import GraphIR
import TestSupport
import Testing

/// Reductions of random shapes and axes against a plain twin in float64.
@Suite struct ReductionTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let op: String
    let fold: @Sendable ([Double]) -> Double
    var testDescription: String { op }
  }

  static let cases = [
    Case(op: "ReduceSum") { $0.reduce(0, +) },
    Case(op: "ReduceMean") { $0.reduce(0, +) / Double($0.count) },
    Case(op: "ReduceMax") { $0.max()! },
    Case(op: "ReduceMin") { $0.min()! },
    Case(op: "ReduceProd") { $0.reduce(1, *) },
    Case(op: "ReduceL1") { $0.reduce(0) { $0 + abs($1) } },
    Case(op: "ReduceL2") { $0.reduce(0) { $0 + $1 * $1 }.squareRoot() },
    Case(op: "ReduceSumSquare") { $0.reduce(0) { $0 + $1 * $1 } },
    Case(op: "ReduceLogSum") { log($0.reduce(0, +)) },
    Case(op: "ReduceLogSumExp") { log($0.reduce(0) { $0 + exp($1) }) },
  ]

  /// The twin: elements gathered for each result, in order.
  private func plain(_ x: Tensor, _ axes: Set<Int>, _ fold: ([Double]) -> Double) -> [Double] {
    let values = x.converted(to: .float64).array(of: Double.self)
    let kept = x.shape.indices.map { axes.contains($0) ? 1 : x.shape[$0] }
    var groups = [[Double]](repeating: [], count: Shape.count(kept))
    for index in values.indices {
      groups[PlainBroadcast.position(index, x.shape, kept)].append(values[index])
    }
    return groups.map(fold)
  }

  @Test(arguments: cases) func agreesWithTheTwin(_ test: Case) throws {
    var random = ElementwiseRandom(23)
    for round in 0..<50 {
      let shape = random.shape(maximumRank: 5)
      let x = random.floats(shape, in: 0.5...1.5)
      let axes = shape.indices.filter { _ in Bool.random(using: &random) }
      let written = axes.map { Bool.random(using: &random) ? $0 : $0 - shape.count }
      let keeps = round % 2 == 0
      let old = round % 3 == 0
      var attributes: [String: Attribute] = ["keepdims": .int(keeps ? 1 : 0)]
      if old, !axes.isEmpty { attributes["axes"] = .ints(written) }
      let inputs: [Tensor?] = old ? [x] : [x, Tensor(written.map { Int64($0) }, shape: [axes.count])]
      let y = try OperatorHarness.runOperator(test.op, opset: old ? 11 : 20, inputs, attributes: attributes)[
        0]
      let two = try OperatorHarness.runOperator(
        test.op, opset: old ? 11 : 20, inputs, attributes: attributes, threads: 2)[0]
      #expect(y.isIdentical(to: two))
      let all = Set(axes.isEmpty ? Array(shape.indices) : axes)
      #expect(
        y.shape
          == (keeps
            ? shape.indices.map { all.contains($0) ? 1 : shape[$0] }
            : shape.indices.filter { !all.contains($0) }.map { shape[$0] }))
      let expected = plain(x, all, test.fold)
      for (a, b) in zip(y.array(of: Float.self), expected) {
        #expect(abs(Double(a) - b) <= 2e-7 * max(abs(b), 0.1))
      }
      let double = try OperatorHarness.runOperator(
        test.op, opset: old ? 11 : 20, [x.converted(to: .float64)] + inputs.dropFirst(),
        attributes: attributes)[0]
      for (a, b) in zip(double.array(of: Double.self), expected) {
        #expect(abs(a - b) <= 1e-12 * max(abs(b), 0.1))
      }
    }
  }

  @Test func largeSumsStayAccurate() throws {
    var random = ElementwiseRandom(31)
    let x = random.floats([1, 1_000_003], in: 0...1)
    let exact = x.array(of: Float.self).reduce(0.0) { $0 + Double($1) }
    let sum = try OperatorHarness.runOperator("ReduceSum", [x])[0].array(of: Float.self)[0]
    #expect(abs(Double(sum) - exact) <= 1e-7 * exact)
    let column = try OperatorHarness.runOperator(
      "ReduceMean", [x.reshaped([1_000_003, 1])], attributes: ["keepdims": .int(0)])[0]
    #expect(abs(Double(column.array(of: Float.self)[0]) - exact / 1_000_003) <= 1e-7)
  }

  @Test func integersAndEdges() throws {
    func run(_ op: String, _ x: Tensor, _ attributes: [String: Attribute] = [:]) throws -> Tensor {
      try OperatorHarness.runOperator(op, [x], attributes: attributes)[0]
    }
    let x = Tensor([1, -2, 4] as [Int32], shape: [3])
    #expect(try run("ReduceSum", x).array() == [Int32(3)])
    #expect(try run("ReduceMean", Tensor([-3, -4] as [Int32], shape: [2])).array() == [Int32(-3)])
    #expect(try run("ReduceL1", x).array() == [Int32(7)])
    #expect(try run("ReduceL2", Tensor([3, 4] as [Int32], shape: [2])).array() == [Int32(5)])
    #expect(try run("ReduceMax", Tensor([200, 3] as [UInt8], shape: [2])).array() == [UInt8(200)])
    #expect(try run("ReduceMax", Tensor([false, true], shape: [2])).array() == [true])
    #expect(try run("ReduceSum", x, ["noop_with_empty_axes": .int(1)]).isIdentical(to: x))
    let nan = Tensor([1, .nan, 3] as [Float], shape: [3])
    #expect(try run("ReduceMax", nan).array(of: Float.self)[0].isNaN)
    let masked = Tensor([-.infinity, -.infinity] as [Float], shape: [2])
    #expect(try run("ReduceLogSumExp", masked).array() == [-Float.infinity])
    let large = Tensor([1000, 1000] as [Float], shape: [2])
    #expect(abs(try run("ReduceLogSumExp", large).array(of: Float.self)[0] - 1000.6931) < 1e-3)
    let empty = Tensor([Float](), shape: [2, 0])
    let axis: [String: Attribute] = ["axes": .ints([1])]
    #expect(
      try OperatorHarness.runOperator("ReduceSum", opset: 11, [empty], attributes: axis)[0].array() == [0, 0]
        as [Float])
    #expect(
      try OperatorHarness.runOperator("ReduceMax", opset: 11, [empty], attributes: axis)[0].array()
        == [-.infinity, -.infinity] as [Float])
    #expect(throws: DataError("axis 3 is out of range for rank 1")) {
      try run("ReduceSum", x, ["axes": .ints([3])])
    }
  }

  @Test func inference() throws {
    let x = TensorType(.float32, ["n", 3, .unknown])
    let axes = TensorType(.int64, [1])
    #expect(
      try OperatorHarness.infer("ReduceMean", [x], attributes: ["axes": .ints([-1])])
        == [TensorType(.float32, ["n", 3, 1])])
    #expect(
      try OperatorHarness.infer("ReduceMean", [x, axes])
        == [TensorType(.float32, [.unknown, .unknown, .unknown])])
    #expect(
      try OperatorHarness.infer("ReduceMean", [x, axes], attributes: ["keepdims": .int(0)])
        == [TensorType(.float32, nil as [Dim]?)])
  }
}
