import GraphIR
import Testing

@testable import Operators

/// Operators that move parts of sequences, and crops.
@Suite struct SequenceTests {
  @Test func writesIntoACache() throws {
    let cache = Tensor.counting([2, 4, 1])
    let update = Tensor([Float(10), 11, 20, 21], shape: [2, 2, 1])
    #expect(
      try MovementCase("TensorScatter", opset: 24)(cache, update).floats == [10, 11, 2, 3, 20, 21, 6, 7])
    #expect(
      try MovementCase("TensorScatter", ["axis": .int(1)], opset: 24)(cache, update, .ints([2, 1])).floats
        == [0, 1, 10, 11, 4, 20, 21, 7])
    let circular = MovementCase("TensorScatter", ["mode": .string("circular")], opset: 24)
    #expect(try circular(cache, update, .ints([3, 9])).floats == [11, 1, 2, 10, 4, 20, 21, 7])
    #expect(throws: DataError("an update of 2 from 3 on does not fit axis 1 of extent 4")) {
      try MovementCase("TensorScatter", opset: 24)(cache, update, .ints([0, 3]))
    }
    #expect(throws: DataError("axis 0 is the batch axis")) {
      try MovementCase("TensorScatter", ["axis": .int(0)], opset: 24)(cache, update)
    }
    #expect(throws: DataError.self) { try MovementCase("TensorScatter", opset: 24)(update, cache) }
  }

  @Test func reversesSequences() throws {
    let x = Tensor.counting([3, 2])
    #expect(try MovementCase("ReverseSequence")(x, .ints([3, 2])).floats == [4, 3, 2, 1, 0, 5])
    let batchFirst: [String: Attribute] = ["batch_axis": .int(0), "time_axis": .int(1)]
    #expect(
      try MovementCase("ReverseSequence", batchFirst)(x, .ints([2, 1, 0])).floats == [1, 0, 2, 3, 4, 5])
    #expect(throws: DataError("a sequence length of 4 is out of 0...3")) {
      try MovementCase("ReverseSequence")(x, .ints([4, 1]))
    }
    #expect(throws: DataError.self) {
      try MovementCase("ReverseSequence", ["time_axis": .int(1)])(x, .ints([1, 1]))
    }
    #expect(throws: DataError.self) { try MovementCase("ReverseSequence")(x, .ints([1])) }
  }

  @Test func cropsAndPads() throws {
    let x = Tensor.counting([3, 2])
    #expect(try MovementCase("CenterCropPad")(x, .ints([2, 5])).floats == [0, 0, 1, 0, 0, 0, 2, 3, 0, 0])
    #expect(try MovementCase("CenterCropPad", ["axes": .ints([-1])])(x, .ints([1])).floats == [0, 2, 4])
    #expect(try MovementCase("CenterCropPad")(x, .ints([0, 2])).shape == [0, 2])
    #expect(throws: DataError("1 extents do not fit 2 axes")) {
      try MovementCase("CenterCropPad")(x, .ints([1]))
    }
    #expect(throws: DataError.self) { try MovementCase("CenterCropPad")(x, .ints([-1, 2])) }
  }

  @Test func oldScatter() throws {
    let y = try MovementCase("Scatter", ["axis": .int(1)], opset: 10)(
      .counting([1, 4]), Tensor([Int64(1), -1], shape: [1, 2]), Tensor([Float(8), 9], shape: [1, 2]))
    #expect(y.floats == [0, 8, 2, 9])
  }
}
