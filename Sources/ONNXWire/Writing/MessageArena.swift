import CGraphProto
import CProtobufC
import GraphIR

/// Memory for the C messages of one file, all freed at once.
final class MessageArena {
  private var blocks: [UnsafeMutableRawPointer] = []

  deinit { for block in blocks { block.deallocate() } }

  private func allocate<T>(_ type: T.Type, _ count: Int) -> UnsafeMutablePointer<T> {
    let block = UnsafeMutablePointer<T>.allocate(capacity: max(count, 1))
    blocks.append(UnsafeMutableRawPointer(block))
    return block
  }

  /// A message made by protobuf-c's `…__init`, then filled.
  func message<T>(
    _ initialise: (UnsafeMutablePointer<T>?) -> Void, _ fill: (inout T) throws -> Void
  ) rethrows -> UnsafeMutablePointer<T> {
    let message = allocate(T.self, 1)
    initialise(message)
    try fill(&message.pointee)
    return message
  }

  /// A list of messages or strings, as a field's count and elements.
  func list<T>(
    _ elements: [UnsafeMutablePointer<T>]
  ) -> (count: Int, elements: UnsafeMutablePointer<UnsafeMutablePointer<T>?>?) {
    guard !elements.isEmpty else { return (0, nil) }
    let block = allocate(UnsafeMutablePointer<T>?.self, elements.count)
    for (i, element) in elements.enumerated() { (block + i).initialize(to: element) }
    return (elements.count, block)
  }

  /// A list of numbers or byte strings.
  func values<T>(_ elements: [T]) -> (count: Int, elements: UnsafeMutablePointer<T>?) {
    guard !elements.isEmpty else { return (0, nil) }
    let block = allocate(T.self, elements.count)
    for (i, element) in elements.enumerated() { (block + i).initialize(to: element) }
    return (elements.count, block)
  }

  /// - Throws: `DataError` when the text has a NUL, which C strings cannot hold.
  func string(_ text: String) throws -> UnsafeMutablePointer<CChar> {
    let bytes = Array(text.utf8)
    guard !bytes.contains(0) else { throw DataError("'\(text.prefix(80))' has a NUL character") }
    let block = allocate(CChar.self, bytes.count + 1)
    for (i, byte) in bytes.enumerated() { block[i] = CChar(bitPattern: byte) }
    block[bytes.count] = 0
    return block
  }

  func strings(_ texts: [String]) throws -> (Int, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) {
    list(try texts.map(string))
  }

  func bytes(_ text: String) -> ProtobufCBinaryData { bytes(Array(text.utf8)) }

  func bytes(_ content: [UInt8]) -> ProtobufCBinaryData {
    let (count, elements) = values(content)
    return ProtobufCBinaryData(len: count, data: elements)
  }

  /// Keys and values, sorted by key.
  func properties(
    _ table: [String: String]
  ) throws -> (Int, UnsafeMutablePointer<UnsafeMutablePointer<Dsd__StringStringEntryProto>?>?) {
    list(try table.sorted { $0.key < $1.key }.map { try property($0.key, $0.value) })
  }

  func property(_ key: String, _ value: String) throws -> UnsafeMutablePointer<Dsd__StringStringEntryProto> {
    try message(dsd__string_string_entry_proto__init) { entry in
      entry.key = try string(key)
      entry.value = try string(value)
    }
  }
}
