import TensorCore

/// Writes `.safetensors` files.
public enum SafetensorsWriter {
  /// Writes the tensors, wider element types first and otherwise in the given order, so that every one is
  /// aligned for its type.
  ///
  /// The header is padded to a multiple of 8 bytes. Metadata is sorted: the same content gives the same file.
  /// - Parameter sync: waits until the bytes are on the disk before the file takes its name.
  /// - Throws: `DataError` that names the file: a name given twice, or nothing can be written there.
  public static func write(
    _ tensors: [(String, Tensor)], metadata: [String: String] = [:], to path: String, sync: Bool = false
  ) throws {
    var names: Set<String> = []
    var parts: [String] = []
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key < $1.key }.map { "\($0.key.jsonQuoted):\($0.value.jsonQuoted)" }
      parts.append("\"__metadata__\":{" + pairs.joined(separator: ",") + "}")
    }
    // Gaps would align any order, but the format does not allow them.
    let ordered = tensors.enumerated().sorted { a, b in
      (b.element.1.dtype.size, a.offset) < (a.element.1.dtype.size, b.offset)
    }.map(\.element)
    var offset = 0
    for (name, tensor) in ordered {
      guard name != "__metadata__", names.insert(name).inserted else {
        throw DataError("\(path): cannot be written: the tensor name '\(name)' is taken")
      }
      guard let type = tensor.dtype.safetensorsName else {
        throw DataError(
          "\(path): cannot be written: safetensors files have no \(tensor.dtype), as '\(name)' is")
      }
      let end = offset + tensor.byteCount
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      parts.append(
        "\(name.jsonQuoted):{\"dtype\":\"\(type)\",\"shape\":[\(shape)],"
          + "\"data_offsets\":[\(offset),\(end)]}")
      offset = end
    }
    var header = Array(("{" + parts.joined(separator: ",") + "}").utf8)
    while header.count % 8 != 0 { header.append(UInt8(ascii: " ")) }
    guard header.count <= SafetensorsFile.headerLimit else {
      throw DataError("\(path): cannot be written: the header would be too large")
    }
    try AtomicFile.write(to: path, sync: sync) { writer in
      try withUnsafeBytes(of: UInt64(header.count).littleEndian) { try writer.append($0) }
      try writer.append(header)
      for (_, tensor) in ordered {
        try writer.append(UnsafeRawBufferPointer(start: tensor.pointer, count: tensor.byteCount))
      }
    }
  }
}
