import Foundation
import GraphIR
import Testing

@testable import ONNXWire

@Suite struct ExternalDataTests {
  let scratch = Scratch()

  /// Writes a graph with one external float32 tensor `w` of two elements.
  private func graph(_ entries: [(String, String)], as name: String = "g.onnx") -> String {
    let tensor = Wire.external("w", 1, [2], entries)
    return scratch.write(Wire.model(Wire.graph([], initializers: [tensor])), as: name)
  }

  private func read(_ path: String) throws -> [Float] {
    try #require(try GraphReader.read(path: path).initializers["w"]?.tensor).array()
  }

  @Test func plainFilesAtAnyOffset() throws {
    let values: [UInt8] = [0, 0, 128, 63, 0, 0, 0, 64]
    scratch.write([9, 9, 9, 9] + values + [9] + values, as: "sub/w.bin")
    #expect(try read(graph([("location", "sub/w.bin"), ("offset", "4"), ("length", "8")])) == [1, 2])
    // Not aligned: the tensor is copied.
    #expect(try read(graph([("location", "./sub/w.bin"), ("offset", "13"), ("checksum", "x")])) == [1, 2])
    scratch.write(values, as: "all.bin")
    #expect(try read(graph([("location", "all.bin")])) == [1, 2])
    expectRefusal("g.onnx", "tensor 'w'", "sub/w.bin", "past the end") {
      _ = try read(graph([("location", "sub/w.bin"), ("offset", "16")]))
    }
    for offset in ["-1", "x", "99999999999999999999", ""] {
      expectRefusal("g.onnx", "'w'", "offset") {
        _ = try read(graph([("location", "all.bin"), ("offset", offset)]))
      }
    }
    expectRefusal("g.onnx", "past the end") {
      _ = try read(graph([("location", "all.bin"), ("offset", "9223372036854775807")]))
    }
    expectRefusal("g.onnx", "'w'", "16 bytes") {
      _ = try read(graph([("location", "all.bin"), ("length", "16")]))
    }
    expectRefusal("g.onnx", "'w'", "no location") { _ = try read(graph([])) }
  }

  @Test func missingFilesHaveOneLine() throws {
    let path = graph([("location", "unet/m.safetensors")])
    expectRefusal("g.onnx", "'w'", "unet/m.safetensors", "--weights FOLDER") { _ = try read(path) }
    #expect(try GraphReader.read(path: path, weights: .leave).initializers["w"]?.tensor == nil)
    scratch.file("unet/folder/x")
    expectRefusal("regular file") { _ = try read(graph([("location", "unet/folder")])) }
    expectRefusal("no folder") {
      _ = try GraphReader.read(scratch.bytes("g.onnx"))
    }
  }

  @Test func nothingOutsideTheFolder() throws {
    let outside = Scratch()
    outside.write([UInt8](repeating: 0, count: 8), as: "secret")
    scratch.write([UInt8](repeating: 0, count: 8), as: "up")
    for location in [outside.path + "/secret", "../up", "a/../../up", "..", "/etc/passwd"] {
      expectRefusal("inner/g.onnx", "'w'", location) {
        _ = try read(graph([("location", location)], as: "inner/g.onnx"))
      }
    }
    scratch.link("inner/link", to: outside.path + "/secret")
    scratch.link("inner/folder", to: outside.path)
    scratch.link("inner/near", to: "../up")
    for location in ["link", "folder/secret", "near"] {
      expectRefusal("'w'", location, "outside") {
        _ = try read(graph([("location", location)], as: "inner/g.onnx"))
      }
    }
    // A link that stays inside is no one's business.
    scratch.write([0, 0, 128, 63, 0, 0, 0, 64], as: "inner/data")
    scratch.link("inner/alias", to: "data")
    #expect(try read(graph([("location", "alias")], as: "inner/g.onnx")) == [1, 2])
  }

  @Test func huggingFaceCacheLayout() throws {
    let repository = "models--a--b"
    scratch.write([0, 0, 128, 63, 0, 0, 0, 64], as: "\(repository)/blobs/abc")
    scratch.write([UInt8](repeating: 0, count: 8), as: "models--c--d/blobs/abc")
    scratch.write([UInt8](repeating: 0, count: 8), as: "\(repository)/refs/main")
    scratch.link("\(repository)/snapshots/rev/unet/w.bin", to: "../../../blobs/abc")
    scratch.link("\(repository)/snapshots/rev/other.bin", to: "../../../models--c--d/blobs/abc")
    scratch.link("\(repository)/snapshots/rev/ref.bin", to: "../../refs/main")
    let name = "\(repository)/snapshots/rev/g.onnx"
    #expect(try read(graph([("location", "unet/w.bin")], as: name)) == [1, 2])
    // The graph itself may be such a link.
    scratch.write(scratch.bytes(name), as: "\(repository)/blobs/graph")
    scratch.link("\(repository)/snapshots/rev/linked.onnx", to: "../../blobs/graph")
    #expect(try read("\(scratch.path)/\(repository)/snapshots/rev/linked.onnx") == [1, 2])
    for location in ["other.bin", "ref.bin"] {
      expectRefusal(location, "outside") { _ = try read(graph([("location", location)], as: name)) }
    }
    #expect(
      try read(graph([("location", "w.bin")], as: "\(repository)/snapshots/rev/unet/g.onnx")) == [1, 2])
  }

  @Test func attributesMayPointOutsideToo() throws {
    scratch.write([0, 0, 128, 63, 0, 0, 0, 64], as: "w.bin")
    let value = Wire().text(1, "value").message(5, Wire.external("", 1, [2], [("location", "w.bin")])).int(
      20, 4)
    let bytes = Wire.model(Wire.graph([Wire.node("Constant", [], ["c"], [value])]))
    let read = try GraphReader.read(bytes, folder: scratch.path)
    #expect(read.nodes[0].attributes["value"] == .tensor(Tensor([Float(1), 2], shape: [2])))
    expectRefusal("node 'c'", "no folder") { _ = try GraphReader.read(bytes) }
  }
}
