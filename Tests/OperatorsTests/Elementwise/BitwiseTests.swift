import GraphIR
import TestSupport
import Testing

@Suite struct BitwiseTests {
  private func run(_ op: String, _ inputs: Tensor?..., attributes: [String: Attribute] = [:]) throws -> Tensor
  {
    try OperatorHarness.runOperator(op, opset: 28, inputs, attributes: attributes)[0]
  }

  @Test func combines() throws {
    let a = Tensor([0b1100, -1, 7] as [Int16], shape: [3, 1])
    let b = Tensor([0b1010, -2] as [Int16], shape: [2])
    #expect(try run("BitwiseAnd", a, b).array() == [0b1000, 12, 10, -2, 2, 6] as [Int16])
    #expect(try run("BitwiseOr", a, b).array() == [0b1110, -2, -1, -1, 15, -1] as [Int16])
    #expect(try run("BitwiseXor", a, b).array() == [0b0110, -14, -11, 1, 13, -7] as [Int16])
    #expect(try run("BitwiseNot", a).array() == [-13, 0, -8] as [Int16])
    let big = Tensor([UInt64.max, 1 << 63], shape: [2])
    #expect(try run("BitwiseXor", big, big).array() == [0, 0] as [UInt64])
    #expect(throws: DataError.self) { try run("BitwiseNot", Tensor([1] as [Float], shape: [1])) }
    #expect(try run("BitwiseAnd", Tensor(.int32, [0, 1]), Tensor(.int32, [3])).shape == [0, 3])
  }

  @Test func shifts() throws {
    func shift(_ x: [Int8], _ y: [Int8], _ direction: String) throws -> [Int8] {
      try run(
        "BitShift", Tensor(x, shape: [x.count]), Tensor(y, shape: [y.count]),
        attributes: ["direction": .string(direction)]
      ).array()
    }
    #expect(try shift([1, -1, 100, -8], [2, 1, 1, 7], "LEFT") == [4, -2, -56, 0])
    #expect(try shift([5, -5, -128, 127], [1, 1, 7, 3], "RIGHT") == [2, -3, -1, 15])
    // Counts that are negative or as large as the width leave the sign.
    #expect(try shift([5, -5, 5, -5], [8, 8, -1, -1], "RIGHT") == [0, -1, 0, -1])
    #expect(try shift([5, -5, 5, -5], [8, 100, -1, -1], "LEFT") == [0, 0, 0, 0])
    #expect(throws: DataError.self) { try shift([1], [1], "UP") }
  }

  @Test func reinterprets() throws {
    let y = try run(
      "BitCast", Tensor([1, -2] as [Float], shape: [2]), attributes: ["to": .int(Int(DType.uint32.rawValue))])
    #expect(y.array() == [0x3F80_0000, 0xC000_0000] as [UInt32])
    let half = try run(
      "BitCast", Tensor([1] as [Float16], shape: [1]), attributes: ["to": .int(Int(DType.bfloat16.rawValue))])
    #expect(half.array(of: BFloat16.self)[0].bitPattern == 0x3C00)
    #expect(throws: DataError("float32 cannot be read as int64: an element has another size")) {
      try run("BitCast", Tensor([1] as [Float], shape: [1]), attributes: ["to": .int(7)])
    }
    #expect(throws: DataError.self) { try run("BitCast", Tensor([1] as [Float], shape: [1])) }
  }
}
