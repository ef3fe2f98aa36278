import GraphIR
import Testing

@testable import Operators

@Suite struct ViewTests {
  private func reshape(_ shape: [Dim]?, _ wanted: [Int], allowZero: Bool = false) throws -> [Dim]? {
    try MovementCase("Reshape", ["allowzero": .int(allowZero ? 1 : 0)]).infer(
      [TensorType(.float32, shape), TensorType(.int64, [wanted.count])],
      constants: [nil, .ints(wanted)])[0].shape
  }

  @Test func reshapeResolvesExtents() throws {
    #expect(try reshape([2, 3, 4], [0, -1]) == [2, 12])
    #expect(try reshape([2, 3, 4], [4, 0, -1]) == [4, 3, 2])
    #expect(try reshape([0, 3], [3, 0], allowZero: true) == [3, 0])
    #expect(try reshape([0, 3], [0, -1]) == [0, 3])
    #expect(try reshape([], [1, 1]) == [1, 1])
    #expect(try reshape([1], []) == [])
  }

  @Test func reshapeKeepsSymbols() throws {
    #expect(try reshape(["n", 77, 768], [0, -1, 8, 96]) == ["n", 77, 8, 96])
    #expect(try reshape(["n", 77, 768], [0, 0, 8, 96]) == ["n", 77, 8, 96])
    #expect(try reshape(["n", "s", 768], [0, -1, 768]) == ["n", "s", 768])
    #expect(try reshape(["n", 4, 8], [-1, 4, 8]) == ["n", 4, 8])
    #expect(try reshape(["n", 4, 8], [-1, 8]) == [.unknown, 8])
    #expect(try reshape(["n", 4], [2, -1]) == [2, .unknown])
    #expect(try reshape(nil, [0, 5, -1]) == [.unknown, 5, .unknown])
  }

  @Test func reshapeRefuses() {
    #expect(throws: DataError("2×3 elements do not fit shape [4, 2]")) { try reshape([2, 3], [4, 2]) }
    #expect(throws: DataError("2×3 elements do not fit shape [4, -1]")) { try reshape([2, 3], [4, -1]) }
    #expect(throws: DataError("shape [-1, -1] holds -1 twice")) { try reshape([2], [-1, -1]) }
    #expect(throws: DataError("shape [-2] holds -2")) { try reshape([2], [-2]) }
    #expect(throws: DataError("shape [1, 0] keeps axis 1 of an input of rank 1")) {
      try reshape([2], [1, 0])
    }
    #expect(throws: DataError.self) { try reshape([2], [1 << 40, 1 << 40]) }
    #expect(throws: DataError.self) { try reshape([0, 2], [0, -1], allowZero: true) }
  }

  @Test func reshapeRankFromTheShapesLength() throws {
    let types = [TensorType(.float32, ["n", 4]), TensorType(.int64, [3])]
    #expect(try MovementCase("Reshape").infer(types)[0].shape == [.unknown, .unknown, .unknown])
  }

  @Test func flatten() throws {
    let x = Tensor.counting([2, 3, 4])
    #expect(try MovementCase("Flatten")(x).shape == [2, 12])
    #expect(try MovementCase("Flatten", ["axis": .int(0)])(x).shape == [1, 24])
    #expect(try MovementCase("Flatten", ["axis": .int(3)])(x).shape == [24, 1])
    #expect(try MovementCase("Flatten", ["axis": .int(-1)])(x).shape == [6, 4])
    #expect(throws: DataError("axis 4 is out of range for rank 3")) {
      try MovementCase("Flatten", ["axis": .int(4)])(x)
    }
  }

  @Test func squeezeAndUnsqueeze() throws {
    let x = Tensor.counting([1, 3, 1])
    #expect(try MovementCase("Squeeze")(x).shape == [3])
    #expect(try MovementCase("Squeeze")(x, .ints([-1])).shape == [1, 3])
    #expect(try MovementCase("Squeeze", ["axes": .ints([0])], opset: 11)(x).shape == [3, 1])
    #expect(throws: DataError("axis 1 has extent 3, only 1 can be squeezed")) {
      try MovementCase("Squeeze")(x, .ints([1]))
    }
    #expect(throws: DataError.self) { try MovementCase("Squeeze", ["axes": .ints([0])], opset: 13)(x) }
    #expect(try MovementCase("Unsqueeze")(x, .ints([0, -1])).shape == [1, 1, 3, 1, 1])
    #expect(try MovementCase("Unsqueeze", ["axes": .ints([1])], opset: 12)(x).shape == [1, 1, 3, 1])
    #expect(throws: DataError("axes [0, 0] name an axis twice")) {
      try MovementCase("Unsqueeze")(x, .ints([0, 0]))
    }
    let symbolic = TensorType(.float32, ["n", 1, 4])
    let axes = TensorType(.int64, [1])
    #expect(try MovementCase("Squeeze").infer([symbolic])[0].shape == nil)
    #expect(
      try MovementCase("Squeeze").infer([symbolic, axes], constants: [nil, .ints([1])])[0].shape == ["n", 4])
    #expect(
      try MovementCase("Unsqueeze").infer([symbolic, axes], constants: [nil, .ints([1])])[0].shape
        == ["n", 1, 1, 4])
  }

  @Test func identityAndHalfTypes() throws {
    let x = Tensor.counting([2, 2], .float16)
    #expect(try MovementCase("Identity")(x).isIdentical(to: x))
    #expect(try MovementCase("Identity").bind(1).aliasing == .view)
    #expect(try MovementCase("Reshape").bind(2).aliasing == .view)
  }
}
