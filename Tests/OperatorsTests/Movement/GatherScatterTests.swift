import GraphIR
import Testing

@testable import Operators

@Suite struct GatherScatterTests {
  @Test func gather() throws {
    let x = Tensor.counting([3, 2])
    #expect(try MovementCase("Gather")(x, .ints([2, -3])).floats == [4, 5, 0, 1])
    #expect(try MovementCase("Gather", ["axis": .int(1)])(x, .int(1)).floats == [1, 3, 5])
    #expect(try MovementCase("Gather", ["axis": .int(1)])(x, .int(1)).shape == [3])
    #expect(throws: DataError("index 3 is out of range for axis 0 of extent 3")) {
      try MovementCase("Gather")(x, .ints([0, 3]))
    }
    #expect(throws: DataError("index -4 is out of range for axis 0 of extent 3")) {
      try MovementCase("GatherElements")(x, Tensor([Int64(-4)], shape: [1, 1]))
    }
  }

  @Test func gatherElements() throws {
    let x = Tensor.counting([2, 3])
    let indices = Tensor([Int32(2), 0, -1, 1], shape: [2, 2])
    #expect(try MovementCase("GatherElements", ["axis": .int(1)])(x, indices).floats == [2, 0, 5, 4])
    #expect(throws: DataError("indices have extent 2 on axis 0, the data only 1")) {
      try MovementCase("GatherElements", ["axis": .int(1)])(.counting([1, 3]), indices)
    }
  }

  @Test func gatherND() throws {
    let x = Tensor.counting([2, 2, 2])
    let pairs = Tensor([Int64(0), 1, -1, 0], shape: [2, 2])
    #expect(try MovementCase("GatherND")(x, pairs).floats == [2, 3, 4, 5])
    let batched = Tensor([Int64(1), 0], shape: [2, 1])
    #expect(try MovementCase("GatherND", ["batch_dims": .int(1)])(x, batched).floats == [2, 3, 4, 5])
    #expect(throws: DataError("index 2 is out of range for axis 1 of extent 2")) {
      try MovementCase("GatherND")(x, Tensor([Int64(0), 2], shape: [1, 2]))
    }
    #expect(throws: DataError.self) { try MovementCase("GatherND")(x, .counting([1, 4], .int64)) }
  }

  @Test(arguments: [
    ("none", [3, 1, 2, 9] as [Float]), ("add", [3, 1, 2, 16]), ("mul", [0, 1, 2, 72]), ("min", [0, 1, 2, 3]),
    ("max", [3, 1, 2, 9]),
  ]) func scatterElements(reduction: String, expected: [Float]) throws {
    // 4 and 9 meet at position 3; 3 lands on 0.
    let updates = Tensor([Float(4), 3, 9], shape: [3])
    for dtype in [DType.float32, .float64, .float16, .bfloat16, .int8, .int64, .uint8, .uint32] {
      let y = try MovementCase("ScatterElements", ["reduction": .string(reduction)])(
        Tensor([Float(0), 1, 2, reduction == "mul" ? 2 : 3], shape: [4]).converted(to: dtype),
        .ints([-1, 0, 3]), updates.converted(to: dtype))
      #expect(y.floats == expected, "\(dtype)")
    }
  }

  @Test func scatterND() throws {
    let x = Tensor.counting([3, 2])
    let rows = Tensor([Float(10), 20, 30, 40], shape: [2, 2])
    let at = Tensor([Int64(2), -3], shape: [2, 1])
    #expect(try MovementCase("ScatterND")(x, at, rows).floats == [30, 40, 2, 3, 10, 20])
    #expect(
      try MovementCase("ScatterND", ["reduction": .string("add")])(x, at, rows).floats
        == [30, 41, 2, 3, 14, 25])
    #expect(throws: DataError("index 3 is out of range for axis 0 of extent 3")) {
      try MovementCase("ScatterND")(x, Tensor([Int64(3), 0], shape: [2, 1]), rows)
    }
    #expect(throws: DataError("node 'n' (ScatterND): reduction 'mean' is not none, add, mul, min or max")) {
      try MovementCase("ScatterND", ["reduction": .string("mean")])(x, at, rows)
    }
    #expect(throws: DataError.self) { try MovementCase("ScatterND")(x, at, .counting([2, 3])) }
  }

  @Test func threadsDoNotMatter() throws {
    let x = Tensor.counting([200, 300])
    let indices = Tensor((0..<60_000).map { Int64($0 * 7919 % 300) }, shape: [200, 300])
    let rows = Tensor((0..<3_000).map { Int64($0 * 31 % 200) }, shape: [3_000])
    for (op, index) in [("GatherElements", indices), ("Gather", rows)] {
      let axis = ["axis": Attribute.int(op == "Gather" ? 0 : 1)]
      let one = try MovementCase(op, axis, threads: 1)(x, index)
      #expect(try one.isIdentical(to: MovementCase(op, axis, threads: 2)(x, index)))
    }
  }

  @Test func compressAndNonZero() throws {
    let x = Tensor([Float(0), -0.0, 3, .nan, 0, 6], shape: [2, 3])
    #expect(try MovementCase("NonZero")(x).array(of: Int64.self) == [0, 1, 1, 2, 0, 2])
    #expect(try MovementCase("NonZero")(Tensor(scalar: Float(1))).shape == [0, 1])
    let condition = Tensor([false, true, true], shape: [3])
    let y = Tensor.counting([2, 3])
    #expect(try MovementCase("Compress", ["axis": .int(1)])(y, condition).floats == [1, 2, 4, 5])
    #expect(try MovementCase("Compress")(y, condition).floats == [1, 2])
    #expect(throws: DataError("condition 2 is true, axis 0 has extent 2")) {
      try MovementCase("Compress", ["axis": .int(0)])(y, condition)
    }
  }

  @Test func topK() throws {
    let x = Tensor([Float(1), .nan, 3, 3, -2], shape: [5])
    let best = try MovementCase("TopK", outputs: 2).run([x, .ints([3])])
    #expect(best[1].array(of: Int64.self) == [1, 2, 3])
    let least = try MovementCase("TopK", ["largest": .int(0)], outputs: 2).run([x, .ints([2])])
    #expect(least[0].floats == [-2, 1])
    #expect(try MovementCase("TopK", ["k": .int(1)], opset: 9, outputs: 2).run([x])[1].array() == [Int64(1)])
    #expect(throws: DataError("k is [6], axis 0 has extent 5")) {
      try MovementCase("TopK", outputs: 2).run([x, .ints([6])])
    }
  }

  @Test func oneHotAndUnique() throws {
    let values = Tensor([Float(2), 5], shape: [2])
    #expect(
      try MovementCase("OneHot")(.ints([1, -1, 7]), .int(3), values).floats == [2, 5, 2, 2, 2, 5, 2, 2, 2])
    #expect(
      try MovementCase("OneHot", ["axis": .int(0)])(.ints([1, 0]), .ints([2]), values).floats == [2, 5, 5, 2])
    let x = Tensor([Float(2), 1, 1, 3, 2], shape: [5])
    let sorted = try MovementCase("Unique", outputs: 4).run([x])
    #expect(sorted[0].floats == [1, 2, 3])
    #expect(sorted[1...].map { $0.array(of: Int64.self) } == [[1, 0, 3], [1, 0, 0, 2, 1], [2, 2, 1]])
    let seen = try MovementCase("Unique", ["sorted": .int(0)], outputs: 4).run([x])
    #expect(seen[0].floats == [2, 1, 3])
    let rows = Tensor([Int32(1), 2, 0, 0, 1, 2], shape: [3, 2])
    #expect(try MovementCase("Unique", ["axis": .int(0)])(rows).floats == [0, 0, 1, 2])
  }
}
