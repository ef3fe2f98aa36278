import GraphIR
import TestSupport
import Testing

@Suite struct CumulativeTests {
  private let x = Tensor([1, 2, 3, 4, 5, 6] as [Int32], shape: [2, 3])

  private func run(_ op: String, axis: Int64, _ attributes: [String: Attribute] = [:]) throws -> [Int32] {
    try OperatorHarness.runOperator(op, opset: 28, [x, Tensor(scalar: axis)], attributes: attributes)[0]
      .array()
  }

  @Test func sumsAndProducts() throws {
    #expect(try run("CumSum", axis: 1) == [1, 3, 6, 4, 9, 15])
    #expect(try run("CumSum", axis: -2, ["exclusive": .int(1)]) == [0, 0, 0, 1, 2, 3])
    #expect(try run("CumProd", axis: 1) == [1, 2, 6, 4, 20, 120])
    #expect(try run("CumProd", axis: -1, ["reverse": .int(1)]) == [6, 6, 3, 120, 30, 6])
    #expect(
      try run("CumProd", axis: 1, ["reverse": .int(1), "exclusive": .int(1)]) == [6, 3, 1, 30, 6, 1])
    #expect(throws: DataError("axis 2 is out of range for rank 2")) { try run("CumProd", axis: 2) }
    let empty = try OperatorHarness.runOperator(
      "CumProd", opset: 28, [Tensor(.float32, [0, 2]), Tensor(scalar: Int64(0))])[0]
    #expect(empty.shape == [0, 2])
  }

  @Test func hardmax() throws {
    let x = Tensor([1, 3, 3, 5, 0, 2] as [Float], shape: [2, 3])
    func run(_ opset: Int, _ attributes: [String: Attribute]) throws -> [Float] {
      try OperatorHarness.runOperator("Hardmax", opset: opset, [x], attributes: attributes)[0].array()
    }
    #expect(try run(13, [:]) == [0, 1, 0, 1, 0, 0])
    #expect(try run(13, ["axis": .int(-2)]) == [0, 1, 1, 1, 0, 0])
    // Before opset 13 everything from the axis on is one row.
    #expect(try run(11, ["axis": .int(0)]) == [0, 0, 0, 1, 0, 0])
    #expect(throws: DataError.self) { try run(13, ["axis": .int(2)]) }
  }
}
