import GraphIR
import Testing

@testable import ONNXWire

@Suite struct TensorReadingTests {
  private func read(_ tensor: Wire) throws -> Tensor {
    let graph = try GraphReader.read(Wire.model(Wire.graph([], initializers: [tensor])))
    return try #require(graph.initializers.values.first?.tensor)
  }

  private func packed(_ field: Int, _ values: [Int], on tensor: Wire) -> Wire {
    tensor.bytes(field, values.flatMap { Wire.varint(UInt64(bitPattern: Int64($0))) })
  }

  @Test func typedFields() throws {
    func ints(_ dtype: DType, _ values: [Int]) -> Wire {
      packed(5, values, on: Wire.tensor("t", Int(dtype.rawValue), [values.count]))
    }
    #expect(try read(ints(.int8, [-1, 127])).array(of: Int8.self) == [-1, 127])
    #expect(try read(ints(.uint8, [255, 0])).array(of: UInt8.self) == [255, 0])
    #expect(try read(ints(.int16, [-300, 300])).array(of: Int16.self) == [-300, 300])
    #expect(try read(ints(.uint16, [65535])).array(of: UInt16.self) == [65535])
    #expect(try read(ints(.int32, [-70000])).array(of: Int32.self) == [-70000])
    #expect(try read(ints(.bool, [0, 5])).array(of: Bool.self) == [false, true])
    #expect(try read(ints(.float16, [0x3C00, 0xC000])).array(of: Float16.self) == [1, -2])
    #expect(try read(ints(.bfloat16, [0x3F80])).array(of: BFloat16.self) == [BFloat16(1)])
    let float = Wire.tensor("t", 1, [2]).bytes(4, [0, 0, 128, 63, 0, 0, 0, 192])
    #expect(try read(float).array(of: Float.self) == [1, -2])
    let double = Wire.tensor("t", 11, []).bytes(10, [0, 0, 0, 0, 0, 0, 0xF0, 0x3F])
    #expect(try read(double).array(of: Double.self) == [1])
    #expect(try read(packed(7, [-5], on: Wire.tensor("t", 7, [1]))).array(of: Int64.self) == [-5])
    #expect(try read(packed(11, [-1], on: Wire.tensor("t", 13, [1]))).array(of: UInt64.self) == [.max])
    #expect(
      try read(packed(11, [4_000_000_000], on: Wire.tensor("t", 12, [1]))).array(of: UInt32.self)
        == [4_000_000_000])
    // One number after the other instead of packed.
    #expect(try read(Wire.tensor("t", 7, [2]).int(7, 3).int(7, 4)).array(of: Int64.self) == [3, 4])
    #expect(try read(Wire.tensor("t", 9, [2]).bytes(9, [7, 0])).array(of: Bool.self) == [true, false])
  }

  @Test func wrongTensorsAreRefused() {
    expectRefusal("initializer 't'", "string") { _ = try read(Wire.tensor("t", 8, [1]).bytes(6, [65])) }
    expectRefusal("'t'", "complex64") { _ = try read(Wire.tensor("t", 14, [1])) }
    expectRefusal("'t'", "3 bytes") { _ = try read(Wire.tensor("t", 1, [1]).bytes(9, [1, 2, 3])) }
    expectRefusal("'t'", "0 elements", "[1000000000000]") {
      _ = try read(Wire.tensor("t", 1, [1_000_000_000_000]))
    }
    expectRefusal("'t'", "not possible") { _ = try read(Wire.tensor("t", 1, [1 << 40, 1 << 40])) }
    expectRefusal("'t'", "not possible") { _ = try read(Wire.tensor("t", 1, [-1])) }
    expectRefusal("'t'", "segments") { _ = try read(Wire.tensor("t", 1, [0]).message(3, Wire().int(1, 0))) }
    expectRefusal("no name") { _ = try read(Wire.tensor("", 1, [0])) }
    let twice = Wire.graph([], initializers: [Wire.tensor("t", 1, [0]), Wire.tensor("t", 1, [0])])
    expectRefusal("'t'", "twice") { _ = try GraphReader.read(Wire.model(twice)) }
  }

  @Test func otherTypesAreRefused() {
    func input(_ type: Wire) -> [UInt8] {
      Wire.model(Wire.graph([]).message(11, Wire().text(1, "x").message(2, type)))
    }
    expectRefusal("value 'x'", "a map") { _ = try GraphReader.read(input(Wire().bytes(5, []))) }
    let tensor = Wire().message(1, Wire().int(1, 1))
    let nested = Wire().message(4, Wire().message(1, Wire().message(4, Wire().message(1, tensor))))
    expectRefusal("value 'x'", "container of containers") { _ = try GraphReader.read(input(nested)) }
    expectRefusal("value 'x'", "string") {
      _ = try GraphReader.read(input(Wire().message(1, Wire().int(1, 8))))
    }
    let sparse = Wire.graph([]).bytes(15, [])
    expectRefusal("sparse") { _ = try GraphReader.read(Wire.model(sparse)) }
    let node = Wire.node("N", name: "n", [], [], [Wire().text(1, "a").int(20, 9).bytes(10, [])])
    expectRefusal("node 'n' (N)", "attribute 'a'", "tensors") {
      _ = try GraphReader.read(Wire.model(Wire.graph([node])))
    }
  }

  /// Declared types of sequences and optionals are read and written.
  @Test func containers() throws {
    let tensor = Wire().message(1, Wire().int(1, 1))
    let sequence = Wire().message(4, Wire().message(1, tensor))
    for (type, kind) in [
      (sequence, ContainerType.Kind.sequence), (Wire().message(9, Wire().message(1, tensor)), .optional),
      (Wire().message(9, Wire().message(1, sequence)), .optionalSequence),
    ] {
      let graph = try GraphReader.read(
        Wire.model(Wire.graph([]).message(11, Wire().text(1, "x").message(2, type))))
      let expected = ContainerType(kind, of: TensorType(.float32, nil as [Dim]?))
      #expect(graph.inputs == [ValueInfo("x", container: expected)])
      let scratch = Scratch()
      try GraphWriter.write(graph, to: scratch.file("g.onnx"))
      #expect(try GraphReader.read(path: scratch.file("g.onnx")).inputs == graph.inputs)
    }
  }

  @Test func oldFilesStateNoAttributeKind() throws {
    let node = Wire.node(
      "N", [], ["y"],
      [
        Wire().text(1, "i").int(3, -3), Wire().text(1, "s").text(4, "t"),
        Wire().text(1, "is").int(8, 1).int(8, 2),
      ])
    let read = try GraphReader.read(Wire.model(Wire.graph([node])))
    #expect(read.nodes[0].attributes == ["i": .int(-3), "s": .string("t"), "is": .ints([1, 2])])
  }
}
