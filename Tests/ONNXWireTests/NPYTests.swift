import GraphIR
import Testing

@testable import ONNXWire

@Suite struct NPYTests {
  let scratch = Scratch()

  @Test func everyTypeComesBack() throws {
    for dtype in DType.allCases where dtype.isFloat || dtype.isInteger || dtype == .bool {
      guard dtype != .bfloat16, dtype.bits >= 8 else { continue }
      for shape in [[], [0], [5], [2, 3], [2, 1, 4]] {
        let tensor = sample(dtype, shape, seed: UInt64(dtype.rawValue))
        let path = scratch.file("t.npy")
        try NPYFile.write(tensor, to: path)
        #expect(try NPYFile.read(path: path).isIdentical(to: tensor), "\(dtype) \(shape)")
      }
    }
    // Types that numpy lacks become wider ones.
    for (dtype, wider) in [
      DType.int4: DType.int8, .uint2: .uint8, .float8e5m2: .float32, .float4e2m1: .float32,
    ] {
      let tensor = sample(dtype, [2, 3])
      let path = scratch.file("wider.npy")
      try NPYFile.write(tensor, to: path)
      let read = try NPYFile.read(path: path)
      #expect(read.dtype == wider && read.isIdentical(to: tensor.converted(to: wider)), "\(dtype)")
    }
    let half = Tensor([BFloat16(1.5), BFloat16(-2)], shape: [2])
    try NPYFile.write(half, to: scratch.file("b.npy"))
    #expect(try NPYFile.read(path: scratch.file("b.npy")).array(of: Float.self) == [1.5, -2])
  }

  @Test func otherLayoutsAreConverted() throws {
    let big = file("{'descr': '>i2', 'fortran_order': False, 'shape': (2,), }", [0, 1, 1, 0])
    #expect(try decode(big).array(of: Int16.self) == [1, 256])
    let columns = file("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3)}", [1, 4, 2, 5, 3, 6])
    let tensor = try decode(columns)
    #expect(tensor.shape == [2, 3] && tensor.array(of: UInt8.self) == [1, 2, 3, 4, 5, 6])
    let second = file("{'shape': (2L,), 'fortran_order': False, 'descr': '|b1'}\n", [2, 0], version: 2)
    #expect(try decode(second).array(of: Bool.self) == [true, false])
  }

  @Test func wrongFilesAreRefused() throws {
    func header(_ descr: String, _ shape: String) -> String {
      "{'descr': '\(descr)', 'fortran_order': False, 'shape': \(shape), }"
    }
    expectRefusal("<c8") { _ = try decode(file(header("<c8", "(1,)"), [0, 0, 0, 0, 0, 0, 0, 0])) }
    expectRefusal("|O") { _ = try decode(file(header("|O", "(1,)"), [0])) }
    expectRefusal("needs 4000000000000 bytes") {
      _ = try decode(file(header("<f4", "(1000000, 1000000)"), [0]))
    }
    expectRefusal("too large") { _ = try decode(file(header("<f4", "(9000000000000000000, 9)"), [0])) }
    expectRefusal("extent") { _ = try decode(file(header("<f4", "(-1,)"), [0])) }
    expectRefusal("header") { _ = try decode(file("{'descr': [('a', '<f4')]}", [0])) }
    expectRefusal("no 'shape'") { _ = try decode(file("{'descr': '<f4', 'fortran_order': False}", [])) }
    expectRefusal("past the end") {
      _ = try decode([0x93] + Array("NUMPY".utf8) + [2, 0, 0xFF, 0xFF, 0xFF, 0xFF])
    }
    expectRefusal("not a .npy file") { _ = try decode(Array("PK..............".utf8)) }
    expectRefusal("version 9") { _ = try decode([0x93] + Array("NUMPY".utf8) + [9, 0, 0, 0, 0, 0]) }
    let empty = scratch.write([], as: "e.npy")
    expectRefusal("e.npy", "not a .npy file") { _ = try NPYFile.read(path: empty) }
    expectRefusal("no/such/folder") { try NPYFile.write(sample(.int8, [1]), to: "/no/such/folder/x.npy") }
    expectRefusal("folder") { try NPYFile.write(sample(.int8, [1]), to: scratch.path) }
    #expect(scratch.names == ["e.npy"])
  }

  @Test func randomDamageNeverCrashes() throws {
    let valid = file(
      "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", .init(repeating: 1, count: 24))
    var random = TestRandom(3)
    for _ in 0..<2000 {
      var bytes = valid
      for _ in 0..<3 {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0 ... .max, using: &random)
      }
      _ = try? decode(Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random))))
    }
  }

  private func decode(_ bytes: [UInt8]) throws -> Tensor {
    try bytes.withUnsafeBytes { try NPYFile.decode($0) }
  }

  private func file(_ header: String, _ data: [UInt8], version: UInt8 = 1) -> [UInt8] {
    let size = header.utf8.count
    let length = version == 1 ? [UInt8(size), 0] : [UInt8(size), 0, 0, 0]
    return [0x93] + Array("NUMPY".utf8) + [version, 0] + length + Array(header.utf8) + data
  }
}
