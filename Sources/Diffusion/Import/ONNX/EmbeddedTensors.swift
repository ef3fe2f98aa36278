import ONNXWire
import TensorCore

/// Where the weights inside an ONNX file lie, so that a composed graph can point at them instead of copying.
///
/// Only the way to `ModelProto.graph.initializer.raw_data` is read; whatever looks unusual is skipped, since
/// the file has been read and checked before.
struct EmbeddedTensors {
  /// The bytes of each initializer that has raw data, from the start of the file.
  private(set) var places: [String: Range<Int>] = [:]

  init(path: String) throws {
    let file = try MappedFile(path: path)
    let bytes = file.bytes
    Self.fields(bytes, 0..<bytes.count) { field, model in
      guard field == 7 else { return }
      Self.fields(bytes, model) { field, tensor in
        guard field == 5 else { return }
        var name: String?
        var data: Range<Int>?
        Self.fields(bytes, tensor) { field, content in
          if field == 8 { name = String(decoding: bytes[content], as: UTF8.self) }
          if field == 9 { data = content }
        }
        if let name, let data { places[name] = data }
      }
    }
  }

  /// Gives every length-delimited field of a message with the range of its content.
  private static func fields(
    _ bytes: UnsafeRawBufferPointer, _ message: Range<Int>, _ body: (UInt64, Range<Int>) -> Void
  ) {
    var position = message.lowerBound
    func number() -> UInt64? {
      var result: UInt64 = 0
      for shift in stride(from: UInt64(0), to: 64, by: 7) {
        guard position < message.upperBound else { return nil }
        let byte = bytes[position]
        position += 1
        result |= UInt64(byte & 0x7F) << shift
        if byte < 0x80 { return result }
      }
      return nil
    }
    while position < message.upperBound, let tag = number() {
      switch tag & 7 {
      case 0: guard number() != nil else { return }
      case 1: position += 8
      case 5: position += 4
      case 2:
        guard let length = number(), length <= UInt64(message.upperBound - position) else { return }
        let content = position..<position + Int(length)
        body(tag >> 3, content)
        position = content.upperBound
      default: return
      }
    }
  }
}
