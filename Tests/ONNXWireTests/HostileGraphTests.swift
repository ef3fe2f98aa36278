import GraphIR
import Testing

@testable import ONNXWire

/// Damaged and lying graph files: an error or a graph, never a crash, never memory on the file's word.
@Suite struct HostileGraphTests {
  @Test func everyTruncationIsRefusedOrRead() throws {
    let valid = try GraphWriter.bytes(GraphRoundTripTests.everything())
    var refused = 0
    for length in 0..<valid.count {
      do { _ = try GraphReader.read(Array(valid.prefix(length))) } catch let error as DataError {
        refused += 1
        #expect(!error.message.contains("\n"))
      }
    }
    // Only a cut between two fields of the model itself leaves something readable.
    #expect(refused > valid.count - 10)
  }

  @Test func randomDamageNeverCrashes() throws {
    let function = Wire.function(
      "F", ["x"], ["y"], [Wire.node("Op", ["x"], ["y"], [Wire.reference("axis", to: "a")])],
      attributes: ["a"],
      defaults: [Wire.intAttribute("b", 7)])
    let typed = Wire.tensor("t", 1, [2]).bytes(4, [0, 0, 128, 63, 0, 0, 0, 192])
    let external = Wire.external("e", 1, [2], [("location", "x"), ("offset", "1")])
    let call = Wire.node("F", domain: "f", ["t"], ["z"], [Wire.intAttribute("a", 1)])
    let files = [
      try GraphWriter.bytes(GraphRoundTripTests.everything()),
      Wire.model(Wire.graph([call, call], initializers: [typed, external]), functions: [function]),
    ]
    var random = TestRandom(11)
    var survived = 0
    for round in 0..<20_000 {
      var bytes = files[round % 2]
      for _ in 0..<Int.random(in: 1...6, using: &random) {
        let position = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes[position] = .random(in: 0 ... .max, using: &random)
        case 2: bytes.remove(at: position)
        default: bytes.insert(.random(in: 0 ... .max, using: &random), at: position)
        }
      }
      if let graph = try? GraphReader.read(bytes, weights: .leave) {
        survived += 1
        // What was accepted can be written again, or is refused in words.
        _ = try? GraphWriter.bytes(graph)
      }
    }
    #expect(survived > 100)
  }

  @Test func randomBytesAreRefused() {
    var random = TestRandom(12)
    for _ in 0..<5000 {
      let count = Int.random(in: 0...200, using: &random)
      let bytes = (0..<count).map { _ in UInt8.random(in: 0 ... .max, using: &random) }
      #expect(throws: DataError.self) { try GraphReader.read(bytes) }
    }
    expectRefusal("empty") { _ = try GraphReader.read([]) }
    expectRefusal("no graph") { _ = try GraphReader.read(Wire().int(1, 8).bytes) }
    expectRefusal("not an ONNX graph") { _ = try GraphReader.read(Array("{\"json\": true}".utf8)) }
  }

  @Test func deepNestingIsRefused() {
    var graph = Wire.graph([])
    for _ in 0..<1000 {
      graph = Wire.graph([Wire.node("If", [], [], [Wire().text(1, "b").message(6, graph).int(20, 5)])])
    }
    expectRefusal("nested") { _ = try GraphReader.read(Wire.model(graph)) }
    var shallow = Wire.graph([])
    for _ in 0..<20 {
      shallow = Wire.graph([Wire.node("If", [], [], [Wire().text(1, "b").message(6, shallow).int(20, 5)])])
    }
    #expect(throws: Never.self) { try GraphReader.read(Wire.model(shallow)) }
  }

  @Test func memoryFollowsTheFile() {
    // Two bytes a node, some two hundred bytes unpacked.
    let nodes = (0..<3_000_000).flatMap { _ in [0x0A, 0x00] as [UInt8] }
    expectRefusal("far more than its size") { _ = try GraphReader.read(Wire.model(Wire(bytes: nodes))) }
    let twice = Wire().int(1, 10).message(7, Wire.graph([])).message(7, Wire.graph([])).bytes
    expectRefusal("'graph'", "twice") { _ = try GraphReader.read(twice) }
  }
}
