import GraphIR
import Testing

@testable import Operators

/// Operators that repeat or make elements.
@Suite struct FillTests {
  @Test func expandAndTile() throws {
    let x = Tensor([Int32(1), 2], shape: [2, 1])
    #expect(
      try MovementCase("Expand")(x, .ints([2, 1, 3])).array(of: Int32.self) == [
        1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2,
      ])
    #expect(try MovementCase("Expand")(x, .ints([1])).shape == [2, 1])
    #expect(throws: DataError("int32[2, 1] does not broadcast to [3, 1]")) {
      try MovementCase("Expand")(x, .ints([3, 1]))
    }
    #expect(try MovementCase("Tile")(x, .ints([2, 2])).array(of: Int32.self) == [1, 1, 2, 2, 1, 1, 2, 2])
    #expect(try MovementCase("Tile")(x, .ints([0, 1])).count == 0)
    #expect(throws: DataError("repeat -1 is negative")) { try MovementCase("Tile")(x, .ints([-1, 1])) }
    #expect(
      try MovementCase("Expand").infer(
        [TensorType(.float32, ["n", 1]), TensorType(.int64, [2])], constants: [nil, .ints([1, 5])])[0].shape
        == ["n", 5])
  }

  @Test func refusesHugeSizes() {
    let big = 1_000_000_000_000
    #expect(throws: DataError("output float32[1000000000000] is too large")) {
      try MovementCase("Expand")(.counting([1]), .ints([big]))
    }
    #expect(throws: DataError.self) { try MovementCase("Expand")(.counting([1, 1]), .ints([big, big])) }
    #expect(throws: DataError.self) { try MovementCase("Tile")(.counting([4]), .ints([big])) }
    #expect(throws: DataError.self) { try MovementCase("Tile")(.counting([4]), .ints([.max])) }
    #expect(throws: DataError.self) { try MovementCase("ConstantOfShape")(.ints([big, 3])) }
    #expect(throws: DataError("extent -2 of the output is negative")) {
      try MovementCase("ConstantOfShape")(.ints([-2]))
    }
    #expect(throws: DataError.self) { try MovementCase("Range")(.int(0), .int(big), .int(1)) }
    #expect(throws: DataError.self) { try MovementCase("Range")(.int(.min), .int(.max), .int(1)) }
    #expect(throws: DataError.self) {
      try MovementCase("Range")(
        Tensor(scalar: Float(0)), Tensor(scalar: Float.infinity), Tensor(scalar: Float(1)))
    }
    #expect(throws: DataError.self) {
      try MovementCase("Range")(Tensor(scalar: Float.nan), Tensor(scalar: Float(3)), Tensor(scalar: Float(1)))
    }
    #expect(throws: DataError.self) { try MovementCase("Pad")(.counting([1]), .ints([big, 0])) }
    #expect(throws: DataError.self) { try MovementCase("Pad")(.counting([1]), .ints([.max, .max])) }
    #expect(throws: DataError.self) { try MovementCase("OneHot")(.ints([0]), .int(big), .counting([2])) }
    #expect(throws: DataError.self) { try MovementCase("Resize")(.counting([1]), nil, nil, .ints([big])) }
    #expect(throws: DataError.self) {
      try MovementCase("Resize")(.counting([1, 99]), nil, Tensor([Float(1e8), 1e8], shape: [2]))
    }
  }

  @Test func range() throws {
    #expect(try MovementCase("Range")(.int(5), .int(-2), .int(-3)).array(of: Int64.self) == [5, 2, -1])
    #expect(try MovementCase("Range")(.int(1), .int(1), .int(1)).count == 0)
    let y = try MovementCase("Range")(
      Tensor(scalar: Float(0)), Tensor(scalar: Float(1)), Tensor(scalar: Float(0.25)))
    #expect(y.floats == [0, 0.25, 0.5, 0.75])
    #expect(throws: DataError("delta is 0")) { try MovementCase("Range")(.int(0), .int(1), .int(0)) }
  }

  @Test func constants() throws {
    #expect(
      try MovementCase("Constant", ["value_ints": .ints([3, 4])]).run([])[0].array(of: Int64.self) == [3, 4])
    #expect(try MovementCase("Constant", ["value_float": .float(2)]).run([])[0].shape == [])
    #expect(try MovementCase("Constant", ["value_floats": .ints([])]).run([])[0].dtype == .float32)
    #expect(throws: DataError.self) { try MovementCase("Constant", ["value_string": .string("x")]).run([]) }
    #expect(throws: DataError.self) { try MovementCase("Constant").run([]) }
    let seven = Tensor([Int8(7)], shape: [1])
    #expect(
      try MovementCase("ConstantOfShape", ["value": .tensor(seven)])(.ints([2])).array() == [Int8(7), 7])
    #expect(try MovementCase("ConstantOfShape")(.ints([])).shape == [])
  }

  @Test func shapeAndSize() throws {
    let x = Tensor.counting([2, 3, 4])
    #expect(try MovementCase("Shape")(x).array() == [Int64(2), 3, 4])
    #expect(try MovementCase("Shape", ["start": .int(-2), "end": .int(-1)])(x).array() == [Int64(3)])
    #expect(try MovementCase("Shape", ["start": .int(2), "end": .int(1)])(x).count == 0)
    #expect(try MovementCase("Size")(x).array() == [Int64(24)])
    let symbolic = InferenceInputs([TensorType(.float32, ["n", 3])])
    #expect(try MovementCase("Shape").bind(1).knownOutputs(symbolic) == nil)
    let tail = try MovementCase("Shape", ["start": .int(1)]).bind(1).knownOutputs(symbolic)
    #expect(tail?[0].array() == [Int64(3)])
  }

  @Test func trilu() throws {
    let x = Tensor.counting([3, 3]).converted(to: .int32)
    #expect(try MovementCase("Trilu")(x).array(of: Int32.self) == [0, 1, 2, 0, 4, 5, 0, 0, 8])
    #expect(
      try MovementCase("Trilu", ["upper": .int(0)])(x, .int(-1)).array(of: Int32.self) == [
        0, 0, 0, 3, 0, 0, 6, 7, 0,
      ])
    for k in [Int.min, .max] {
      for upper in [0, 1] {
        let kept = (k > 0) == (upper == 0)
        let y = try MovementCase("Trilu", ["upper": .int(upper)])(x, .int(k))
        #expect(y.array(of: Int32.self) == (kept ? x : .zeros(.int32, [3, 3])).array(of: Int32.self))
      }
    }
  }

  @Test func eyeLike() throws {
    let y = try MovementCase("EyeLike", ["k": .int(1), "dtype": .int(10)])(.counting([2, 3]))
    #expect(y.dtype == .float16)
    #expect(y.floats == [0, 1, 0, 0, 0, 1])
  }

  @Test func depthAndSpace() throws {
    let x = Tensor.counting([1, 8, 1, 1])
    #expect(try MovementCase("DepthToSpace", ["blocksize": .int(2)])(x).floats == [0, 2, 4, 6, 1, 3, 5, 7])
    #expect(
      try MovementCase("DepthToSpace", ["blocksize": .int(2), "mode": .string("CRD")])(x).floats
        == [0, 1, 2, 3, 4, 5, 6, 7])
    let y = Tensor.counting([2, 3, 4, 6])
    let there = try MovementCase("SpaceToDepth", ["blocksize": .int(2)])(y)
    #expect(there.shape == [2, 12, 2, 3])
    #expect(try MovementCase("DepthToSpace", ["blocksize": .int(2)])(there).isIdentical(to: y))
  }

  @Test(arguments: [
    ("constant", [9, 9, 0, 1, 2, 9] as [Float]), ("edge", [0, 0, 0, 1, 2, 2]),
    ("reflect", [2, 1, 0, 1, 2, 1]),
    ("wrap", [1, 2, 0, 1, 2, 0]),
  ]) func pad(mode: String, expected: [Float]) throws {
    let value = mode == "constant" ? Tensor(scalar: Float(9)) : nil
    #expect(
      try MovementCase("Pad", ["mode": .string(mode)])(.counting([3]), .ints([2, 1]), value).floats
        == expected)
  }

  @Test func padForms() throws {
    let x = Tensor.counting([2, 3])
    #expect(try MovementCase("Pad")(x, .ints([0, -1, 1, -1])).floats == [1, 4, 0])
    #expect(try MovementCase("Pad")(x, .ints([1, 0]), nil, .ints([-1])).floats == [0, 0, 1, 2, 0, 3, 4, 5])
    let old = MovementCase("Pad", ["pads": .ints([0, 1, 0, 0]), "value": .float(7)], opset: 10)
    #expect(try old(x).floats == [7, 0, 1, 2, 7, 3, 4, 5])
    // What is cut goes first, the mirror image is of what is left.
    #expect(
      try MovementCase("Pad", ["mode": .string("reflect")])(.counting([4]), .ints([-1, 2])).floats == [
        1, 2, 3, 2, 1,
      ])
    // Further than the axis is long: back and forth.
    #expect(
      try MovementCase("Pad", ["mode": .string("reflect")])(.counting([3]), .ints([5, 0])).floats
        == [1, 0, 1, 2, 1, 0, 1, 2])
    #expect(throws: DataError("mode edge has nothing to repeat on axis 0")) {
      try MovementCase("Pad", ["mode": .string("edge")])(.counting([0]), .ints([1, 0]))
    }
    #expect(throws: DataError("pads -2 and -2 take more than axis 0's 3")) {
      try MovementCase("Pad")(.counting([3]), .ints([-2, -2]))
    }
  }
}
