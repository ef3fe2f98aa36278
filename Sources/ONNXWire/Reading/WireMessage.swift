import CGraphProto
import CProtobufC
import TensorCore

#if canImport(Glibc)
  import Glibc
#endif

/// An unpacked message such as `Dsd__ModelProto`, freed with this object.
///
/// Unpacking allocates in proportion to the file, whatever lengths and counts the file claims.
final class WireMessage<Content> {
  let content: UnsafeMutablePointer<Content>
  private let memory: WireMemory

  /// - Parameter descriptor: that of `Content`.
  /// - Throws: `DataError` without a place.
  init(
    _ bytes: UnsafeRawBufferPointer, as descriptor: UnsafePointer<ProtobufCMessageDescriptor>
  ) throws {
    guard bytes.count <= WireMemory.sizeLimit else {
      throw DataError("\(bytes.count) bytes are more than a graph file may have (2 GB)")
    }
    guard bytes.count > 0 else { throw DataError("the file is empty") }
    try ProtoScan.check(bytes, as: descriptor)
    memory = WireMemory(allowance: WireMemory.allowance(fileSize: bytes.count))
    let start = bytes.bindMemory(to: UInt8.self).baseAddress
    guard let message = protobuf_c_message_unpack(descriptor, memory.allocator, bytes.count, start) else {
      throw memory.isExhausted ? DataError("unpacks to far more than its size") : ProtoScan.damaged
    }
    content = UnsafeMutableRawPointer(message).assumingMemoryBound(to: Content.self)
  }

  deinit {
    let message = UnsafeMutableRawPointer(content).assumingMemoryBound(to: ProtobufCMessage.self)
    protobuf_c_message_free_unpacked(message, memory.allocator)
  }
}

/// The memory of an unpacked message, with a limit.
final class WireMemory {
  let allocator: UnsafeMutablePointer<ProtobufCAllocator>
  private let budget: UnsafeMutablePointer<Int>

  /// Protobuf's own limit.
  static let sizeLimit = Int(Int32.max)

  /// What may be allocated for a file of this size: a field of two bytes becomes a few dozen.
  static func allowance(fileSize: Int) -> Int { 64 << 20 + 40 * fileSize }

  init(allowance: Int) {
    budget = .allocate(capacity: 1)
    budget.initialize(to: allowance)
    allocator = .allocate(capacity: 1)
    allocator.initialize(
      to: ProtobufCAllocator(
        alloc: { data, size in
          // The allocator's own overhead counts, or small fields would come for nothing.
          let budget = data!.assumingMemoryBound(to: Int.self)
          guard size <= budget.pointee - 16 else {
            budget.pointee = 0
            return nil
          }
          budget.pointee -= size + 16
          return malloc(max(size, 1))
        },
        free: { _, pointer in free(pointer) },
        allocator_data: budget))
  }

  deinit {
    allocator.deallocate()
    budget.deallocate()
  }

  /// Whether an allocation has been refused.
  var isExhausted: Bool { budget.pointee == 0 }

  /// Takes the bytes of a field out of the message, without copying: they live as long as the storage.
  static func take(_ field: inout ProtobufCBinaryData) -> Storage {
    guard let data = field.data, field.len > 0 else { return Storage(byteCount: 0) }
    let count = field.len
    field.data = nil
    field.len = 0
    return Storage(base: data, byteCount: count, owner: TakenBytes(data))
  }

  private final class TakenBytes {
    let data: UnsafeMutableRawPointer
    init(_ data: UnsafeMutableRawPointer) { self.data = data }
    deinit { free(data) }
  }
}

/// The elements of a repeated message field.
func list<T>(
  _ count: Int, _ elements: UnsafeMutablePointer<UnsafeMutablePointer<T>?>?
) -> [UnsafeMutablePointer<T>] {
  (0..<count).compactMap { elements?[$0] }
}

/// A string field; empty when it is absent.
/// - Throws: `DataError` when it is not UTF-8.
func text(_ field: UnsafeMutablePointer<CChar>?) throws -> String {
  guard let field else { return "" }
  guard let text = String(validatingCString: field) else {
    throw DataError("'\(String(cString: field).prefix(80))' is not UTF-8")
  }
  return text
}

/// A repeated string field.
func texts(
  _ count: Int, _ fields: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) throws -> [String] {
  try (0..<count).map { try text(fields?[$0]) }
}

/// A bytes field read as text.
func text(_ field: ProtobufCBinaryData) throws -> String {
  let bytes = UnsafeBufferPointer(start: field.data, count: field.data == nil ? 0 : field.len)
  guard let text = String(validating: bytes, as: UTF8.self) else { throw DataError("a string is not UTF-8") }
  return text
}

/// A repeated number field.
func numbers<T>(_ count: Int, _ elements: UnsafeMutablePointer<T>?) -> UnsafeBufferPointer<T> {
  UnsafeBufferPointer(start: elements, count: elements == nil ? 0 : count)
}

/// A list of keys and values; of a key given twice, the last counts.
func properties(
  _ count: Int, _ entries: UnsafeMutablePointer<UnsafeMutablePointer<Dsd__StringStringEntryProto>?>?
) throws -> [String: String] {
  var result: [String: String] = [:]
  for entry in list(count, entries) { result[try text(entry.pointee.key)] = try text(entry.pointee.value) }
  return result
}
