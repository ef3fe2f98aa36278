import Foundation
import GraphIR
import Testing

@testable import ONNXWire

@Suite struct SafetensorsTests {
  let scratch = Scratch()

  @Test func everyTypeComesBack() throws {
    var tensors: [(String, Tensor)] = []
    for (i, dtype) in DType.allCases.enumerated() where dtype.safetensorsName != nil {
      tensors.append(("größe.\(dtype) \"q\"\n\(i)", sample(dtype, [3, 1 + i % 4], seed: UInt64(i + 1))))
    }
    tensors.append(("scalar", sample(.float32, [])))
    tensors.append(("empty", sample(.float16, [0, 7])))
    let path = scratch.file("all.safetensors")
    try SafetensorsWriter.write(tensors, metadata: ["format": "pt", "ä": "\\ \u{1}"], to: path)
    let file = try SafetensorsFile(path: path)
    #expect(file.keys.count == tensors.count && Set(file.keys).count == tensors.count)
    #expect(file.metadata == ["format": "pt", "ä": "\\ \u{1}"])
    for (name, tensor) in tensors {
      #expect(try file.tensor(name).isIdentical(to: tensor))
      let entry = try #require(file.entries[name])
      #expect(entry.offset % tensor.dtype.size == 0)
      #expect(try file.tensor(name).storage === file.file.storage || tensor.dtype == .bool)
    }
    #expect(scratch.names == ["all.safetensors"])
    expectRefusal("all.safetensors", "'nothing'") { _ = try file.tensor("nothing") }
  }

  @Test func unalignedTensorIsCopied() throws {
    let header =
      #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"#
      + #""b":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}}"#
    let path = try write(header, data: [7] + [0, 0, 128, 63, 0, 0, 0, 64])
    let file = try SafetensorsFile(path: path)
    #expect(try file.tensor("b").array(of: Float.self) == [1, 2])
    #expect(try file.tensor("b").storage !== file.file.storage)
  }

  @Test func lyingHeadersAreRefused() throws {
    func refuse(
      _ header: String, data: Int = 16, size: UInt64? = nil, _ parts: [String],
      at location: SourceLocation = #_sourceLocation
    ) throws {
      let path = try write(header, data: [UInt8](repeating: 0, count: data), size: size)
      do {
        _ = try SafetensorsFile(path: path)
        Issue.record("accepted: \(header)", sourceLocation: location)
      } catch let error as DataError {
        for part in [path] + parts {
          #expect(error.message.contains(part), "\(error.message)", sourceLocation: location)
        }
        #expect(!error.message.contains("\n"), sourceLocation: location)
      }
    }
    func one(_ dtype: String, _ shape: String, _ offsets: String) -> String {
      #"{"t":{"dtype":"\#(dtype)","shape":\#(shape),"data_offsets":\#(offsets)}}"#
    }
    try refuse("{}", size: 1000, ["past the end"])
    try refuse("{}", size: 200_000_000, ["200000000"])
    try refuse("{}", size: .max, ["18446744073709551615"])
    try refuse("garbage", ["header is wrong"])
    try refuse("{} x", ["after the end"])
    try refuse("{", ["header is wrong"])
    try refuse(#"{"t":3}"#, ["tensor 't'"])
    try refuse(#"{"t":{}}"#, ["tensor 't'", "no dtype"])
    try refuse(one("F6_E2M3", "[4]", "[0,3]"), ["tensor 't'", "F6_E2M3"])
    try refuse(one("F32", "[4]", "[16,0]"), ["tensor 't'", "not a range"])
    try refuse(one("F32", "[4]", "[-16,0]"), ["tensor 't'", "not a range"])
    try refuse(one("F32", "[5]", "[0,20]"), ["tensor 't'", "past the end"])
    try refuse(one("F32", "[3]", "[0,16]"), ["tensor 't'", "16 bytes"])
    try refuse(one("F32", "[-4]", "[0,16]"), ["tensor 't'", "[-4]"])
    try refuse(one("F32", "[4611686018427387904,4]", "[0,0]"), ["tensor 't'", "not possible"])
    try refuse(one("F32", "[99999999999999999999]", "[0,16]"), ["tensor 't'", "9999"])
    try refuse(one("F32", "[1.5]", "[0,16]"), ["tensor 't'", "1.5"])
    try refuse(one("F32", "[4]", "[0,16,16]"), ["tensor 't'"])
    try refuse(one("F32", "[4]", #""0""#), ["tensor 't'"])
    try refuse(String(repeating: "[", count: 100_000), ["header is wrong"])
    try refuse(
      #"{"x":"# + String(repeating: "[", count: 100_000), ["tensor 'x'"])
    let a = #""a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}"#
    let b = #""b":{"dtype":"U8","shape":[8],"data_offsets":[8,16]}"#
    try refuse("{\(a),\(b)}", ["'a' and 'b' overlap"])
    try refuse("{\(a),\(a)}", ["'a' is given twice"])
    let short = scratch.write([1, 2, 3], as: "short")
    expectRefusal(short, "too short") { _ = try SafetensorsFile(path: short) }
    expectRefusal("nothing.safetensors") {
      _ = try SafetensorsFile(path: scratch.file("nothing.safetensors"))
    }
  }

  @Test func shardsAreOneCatalogue() throws {
    let x = sample(.float32, [2, 3])
    let y = sample(.float16, [5], seed: 2)
    try SafetensorsWriter.write([("x", x)], to: scratch.file("m-1.safetensors"))
    try SafetensorsWriter.write([("y", y)], to: scratch.file("m-2.safetensors"))
    func index(_ map: String) -> String {
      scratch.write(Array(#"{"metadata":{"total_size":34},"weight_map":{\#(map)}}"#.utf8), as: "m.index.json")
    }
    let path = index(#""y":"m-2.safetensors","x":"m-1.safetensors""#)
    let both = try SafetensorsIndex(path: path)
    #expect(both.keys == ["x", "y"] && both.entries["y"]?.file == "m-2.safetensors")
    #expect(try both.tensor("x").isIdentical(to: x) && both.tensor("y").isIdentical(to: y))
    let single = try SafetensorsIndex(path: scratch.file("m-1.safetensors"))
    #expect(single.keys == ["x"] && single.entries["x"]?.file == "m-1.safetensors")
    expectRefusal("m.index.json", "'z'", "m-2") {
      _ = try SafetensorsIndex(path: index(#""z":"m-2.safetensors""#))
    }
    expectRefusal("../m-2") { _ = try SafetensorsIndex(path: index(#""y":"../m-2.safetensors""#)) }
    expectRefusal("m-3") { _ = try SafetensorsIndex(path: index(#""y":"m-3.safetensors""#)) }
    let outside = Scratch()
    try SafetensorsWriter.write([("y", y)], to: outside.file("o.safetensors"))
    scratch.link("m-4.safetensors", to: outside.file("o.safetensors"))
    expectRefusal("m-4", "outside") { _ = try SafetensorsIndex(path: index(#""y":"m-4.safetensors""#)) }
    let broken = scratch.write(Array("{}".utf8), as: "b.index.json")
    expectRefusal("b.index.json", "weight_map") { _ = try SafetensorsIndex(path: broken) }
  }

  @Test func randomDamageNeverCrashes() throws {
    try SafetensorsWriter.write(
      [("x", sample(.float32, [2, 3])), ("y", sample(.int64, [4])), ("z", sample(.bool, [3]))],
      metadata: ["a": "b"], to: scratch.file("v.safetensors"))
    let valid = scratch.bytes("v.safetensors")
    var random = TestRandom(5)
    for _ in 0..<2000 {
      var bytes = valid
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0 ... .max, using: &random)
      }
      if Bool.random(using: &random) { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random)) }
      var header = SafetensorsHeader()
      _ = try? bytes.withUnsafeBytes { try header.read($0) }
    }
  }

  /// A file with this header text; `size` replaces the true header size.
  private func write(_ header: String, data: [UInt8], size: UInt64? = nil) throws -> String {
    let count = size ?? UInt64(header.utf8.count)
    let prefix = (0..<8).map { UInt8(truncatingIfNeeded: count >> (8 * UInt64($0))) }
    return scratch.write(prefix + Array(header.utf8) + data, as: "\(UUID().uuidString).safetensors")
  }
}
