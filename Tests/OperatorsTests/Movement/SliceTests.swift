import GraphIR
import Testing

@testable import Operators

@Suite struct SliceTests {
  private func slice(_ count: Int, _ start: Int, _ end: Int, _ step: Int) throws -> [Float] {
    try MovementCase("Slice")(
      .counting([count]), .ints([start]), .ints([end]), .ints([0]), .ints([step])
    ).floats
  }

  @Test func clampsAndSteps() throws {
    #expect(try slice(5, 1, 4, 2) == [1, 3])
    #expect(try slice(5, -3, .max, 1) == [2, 3, 4])
    #expect(try slice(5, 3, 1, 1) == [])
    #expect(try slice(5, .max, .min, -1) == [4, 3, 2, 1, 0])
    #expect(try slice(5, -1, -4, -2) == [4, 2])
    #expect(try slice(5, 0, 5, .max) == [0])
    #expect(try slice(5, 4, .min, .min) == [4])
    #expect(try slice(0, 0, 5, 1) == [])
    #expect(throws: DataError("a step is 0")) { try slice(5, 0, 1, 0) }
  }

  @Test func severalAxes() throws {
    let x = Tensor.counting([3, 4])
    #expect(
      try MovementCase("Slice")(x, .ints([1, -1]), .ints([3, .min]), .ints([0, 1]), .ints([1, -3])).floats
        == [7, 4, 11, 8])
    let old = MovementCase(
      "Slice", ["starts": .ints([1]), "ends": .ints([2]), "axes": .ints([-1])], opset: 9)
    #expect(try old(x).floats == [1, 5, 9])
    #expect(try MovementCase("Slice")(x, .ints([2]), .ints([9])).floats == [8, 9, 10, 11])
  }

  @Test func infersWithSymbols() throws {
    let types: [TensorType?] =
      [TensorType(.float32, ["n", "m", 8])] + Array(repeating: TensorType(.int64, [1]), count: 3)
    func infer(_ start: Int, _ end: Int, _ axis: Int) throws -> [Dim]? {
      try MovementCase("Slice").infer(
        types, constants: [nil, .ints([start]), .ints([end]), .ints([axis])])[0].shape
    }
    #expect(try infer(0, .max, 1) == ["n", "m", 8])
    #expect(try infer(1, .max, 1) == ["n", .unknown, 8])
    #expect(try infer(2, 4, 2) == ["n", "m", 2])
    #expect(
      try MovementCase("Slice").infer(types, constants: [nil, nil, nil, .ints([2])])[0].shape
        == ["n", "m", .unknown])
    #expect(try MovementCase("Slice").infer(types)[0].shape == [.unknown, .unknown, .unknown])
  }

  @Test func split() throws {
    let x = Tensor.counting([2, 5])
    let parts = try MovementCase("Split", ["axis": .int(1)], outputs: 2).run([x, .ints([2, 3])])
    #expect(parts.map(\.floats) == [[0, 1, 5, 6], [2, 3, 4, 7, 8, 9]])
    let uneven = try MovementCase("Split", ["axis": .int(1), "num_outputs": .int(3)], outputs: 3).run([x])
    #expect(uneven.map(\.shape) == [[2, 2], [2, 2], [2, 1]])
    let old = try MovementCase("Split", ["split": .ints([1, 1])], opset: 11, outputs: 2).run([x])
    #expect(old[1].floats == [5, 6, 7, 8, 9])
    #expect(throws: DataError("extent 5 of axis 1 cannot be split into 2 equal parts")) {
      try MovementCase("Split", ["axis": .int(1)], outputs: 2).run([x])
    }
    #expect(throws: DataError("split [2, 2] does not add up to the extent 5 of axis 1")) {
      try MovementCase("Split", ["axis": .int(1)], outputs: 2).run([x, .ints([2, 2])])
    }
  }

  @Test func concat() throws {
    let x = Tensor.counting([2, 2])
    let y = Tensor.counting([2, 1])
    #expect(try MovementCase("Concat", ["axis": .int(-1)])(x, y).floats == [0, 1, 0, 2, 3, 1])
    #expect(throws: DataError("extents 2 and 1 of axis 1 differ")) {
      try MovementCase("Concat", ["axis": .int(0)])(x, y)
    }
    let shapes = try MovementCase("Concat", ["axis": .int(1)]).infer([
      TensorType(.float32, ["n", 3]), TensorType(.float32, [2, 4]),
    ])
    #expect(shapes[0].shape == [2, 7])
  }
}
