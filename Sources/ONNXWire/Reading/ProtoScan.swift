import CGraphProto
import CProtobufC
import TensorCore

/// Walks protobuf bytes without keeping anything, to refuse what the unpacking must not see: nesting deep
/// enough to exhaust the stack, lengths that leave their message, and a single message field given twice
/// (which asks for a merge that no writer needs).
enum ProtoScan {
  static let depthLimit = 100

  /// - Throws: `DataError` when the bytes are not a sound message of this kind.
  static func check(
    _ bytes: UnsafeRawBufferPointer, as descriptor: UnsafePointer<ProtobufCMessageDescriptor>,
    depth: Int = 1
  ) throws {
    guard depth <= depthLimit else { throw DataError("messages are nested more than \(depthLimit) deep") }
    let kind = descriptor.pointee
    var cursor = Cursor(bytes: bytes)
    var seen: UInt64 = 0
    while cursor.position < bytes.count {
      let tag = try cursor.varint()
      guard tag >> 3 > 0, tag <= UInt64(UInt32.max) else { throw damaged }
      switch tag & 7 {
      case 0: _ = try cursor.varint()
      case 1: try cursor.skip(8)
      case 5: try cursor.skip(4)
      case 2:
        let length = try cursor.varint()
        guard length <= UInt64(bytes.count - cursor.position) else { throw damaged }
        let start = cursor.position
        try cursor.skip(Int(length))
        guard let field = protobuf_c_message_descriptor_get_field(descriptor, UInt32(tag >> 3)),
          field.pointee.type == PROTOBUF_C_TYPE_MESSAGE, let inner = field.pointee.descriptor
        else { continue }
        if field.pointee.label != PROTOBUF_C_LABEL_REPEATED {
          let bit = UInt64(1) << UInt64(field - kind.fields)
          if seen & bit != 0 {
            throw DataError("the field '\(String(cString: field.pointee.name))' is given twice")
          }
          seen |= bit
        }
        let content = UnsafeRawBufferPointer(rebasing: bytes[start..<start + Int(length)])
        try check(
          content, as: inner.assumingMemoryBound(to: ProtobufCMessageDescriptor.self), depth: depth + 1)
      default: throw damaged
      }
    }
  }

  static let damaged = DataError("is not an ONNX graph, or is damaged or cut short")

  private struct Cursor {
    let bytes: UnsafeRawBufferPointer
    var position = 0

    mutating func varint() throws -> UInt64 {
      var value: UInt64 = 0
      for shift in 0..<10 {
        guard position < bytes.count else { throw damaged }
        let byte = bytes[position]
        position += 1
        value |= UInt64(byte & 0x7F) << UInt64(7 * shift)
        if byte < 0x80 { return value }
      }
      throw damaged
    }

    mutating func skip(_ count: Int) throws {
      guard count <= bytes.count - position else { throw damaged }
      position += count
    }
  }
}
