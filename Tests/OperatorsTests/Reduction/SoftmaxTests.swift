import Foundation
import GraphIR
import TestSupport
import Testing

/// Softmax, its logarithm, running sums and positions of extremes.
@Suite struct SoftmaxTests {
  /// Applies `body` to every line along an axis of `[outer, axis, inner]`.
  private func lines(
    _ x: [Double], _ outer: Int, _ axis: Int, _ inner: Int, _ body: ([Double]) -> [Double]
  ) -> [Double] {
    var y = x
    for o in 0..<outer {
      for i in 0..<inner {
        let places = (0..<axis).map { (o * axis + $0) * inner + i }
        for (place, value) in zip(places, body(places.map { x[$0] })) { y[place] = value }
      }
    }
    return y
  }

  @Test(arguments: [("Softmax", false), ("LogSoftmax", true)], [11, 13])
  func agreesWithTheTwin(_ form: (op: String, logarithm: Bool), _ opset: Int) throws {
    var random = ElementwiseRandom(41)
    for round in 0..<60 {
      let shape = round == 0 ? [3, 77, 200] : random.shape(maximumRank: 3) + [5]
      let x = random.floats(shape, in: round % 2 == 0 ? -5...5 : -200...200)
      let axis = Int.random(in: -shape.count..<shape.count, using: &random)
      let at = axis < 0 ? axis + shape.count : axis
      let outer = Shape.count(Array(shape[..<at]))
      let length = opset < 13 ? x.count / outer : shape[at]
      let inner = x.count / outer / length
      let attributes: [String: Attribute] = ["axis": .int(axis)]
      let y = try OperatorHarness.runOperator(form.op, opset: opset, [x], attributes: attributes)[0]
      for inPlace in [nil, 0] {
        let again = try OperatorHarness.runOperator(
          form.op, opset: opset, [x], attributes: attributes, threads: 2, inPlace: inPlace)[0]
        #expect(y.isIdentical(to: again))
      }
      let expected = lines(x.array(of: Float.self).map { Double($0) }, outer, length, inner) { line in
        let most = line.max()!
        let rest = most + log(line.reduce(0) { $0 + exp($1 - most) })
        return line.map { form.logarithm ? $0 - rest : exp($0 - rest) }
      }
      for (a, b) in zip(y.array(of: Float.self), expected) {
        // x - max is rounded to float32 before the exponential, as everywhere.
        let limit =
          form.logarithm ? 2e-7 * max(1, abs(b)) : b > 0 ? b * (4e-7 - 6e-8 * log(b)) + 1e-37 : 1e-37
        #expect(abs(Double(a) - b) <= limit)
      }
      let double = try OperatorHarness.runOperator(
        form.op, opset: opset, [x.converted(to: .float64)], attributes: attributes)[0]
      for (a, b) in zip(double.array(of: Double.self), expected) {
        #expect(abs(a - b) <= 1e-12 * max(1, abs(b)))
      }
    }
  }

  @Test func masksAreExactlyZero() throws {
    let x = Tensor([0, -.infinity, 0, -3.4e38] as [Float], shape: [1, 4])
    #expect(try OperatorHarness.runOperator("Softmax", [x])[0].array() == [0.5, 0, 0.5, 0] as [Float])
    let all = Tensor([-.infinity, -.infinity] as [Float], shape: [2])
    #expect(try OperatorHarness.runOperator("Softmax", [all])[0].array(of: Float.self).allSatisfy(\.isNaN))
  }

  @Test func runningSums() throws {
    let x = Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [2, 3])
    func run(_ axis: Int32, _ exclusive: Int, _ reverse: Int) throws -> [Float] {
      try OperatorHarness.runOperator(
        "CumSum", [x, Tensor(scalar: axis)],
        attributes: ["exclusive": .int(exclusive), "reverse": .int(reverse)])[0].array()
    }
    #expect(try run(1, 0, 0) == [1, 3, 6, 4, 9, 15])
    #expect(try run(-1, 1, 0) == [0, 1, 3, 0, 4, 9])
    #expect(try run(0, 0, 1) == [5, 7, 9, 4, 5, 6])
    #expect(try run(1, 1, 1) == [5, 3, 0, 11, 6, 0])
    #expect(throws: DataError.self) { try run(2, 0, 0) }
  }

  @Test func positionsOfExtremes() throws {
    let x = Tensor([1, 3, 3, 2, 0, 0] as [Int64], shape: [2, 3])
    func run(_ op: String, _ x: Tensor, _ attributes: [String: Attribute]) throws -> Tensor {
      try OperatorHarness.runOperator(op, [x], attributes: attributes)[0]
    }
    #expect(try run("ArgMax", x, ["axis": .int(1)]).array() == [1, 0] as [Int64])
    #expect(
      try run("ArgMax", x, ["axis": .int(-1), "select_last_index": .int(1)]).array() == [2, 0] as [Int64])
    let least = try run("ArgMin", x, ["axis": .int(1), "keepdims": .int(0)])
    #expect(least.shape == [2] && least.array() == [0, 1] as [Int64])
    #expect(try run("ArgMin", x, ["select_last_index": .int(1)]).array() == [0, 1, 1] as [Int64])
    #expect(try run("ArgMax", Tensor([1, .nan, 3] as [Float], shape: [3]), [:]).array() == [Int64(1)])
    #expect(throws: DataError.self) { try run("ArgMax", Tensor([Float](), shape: [0]), [:]) }
  }
}
