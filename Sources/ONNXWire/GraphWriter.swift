import CGraphProto
import CProtobufC
import GraphIR

/// Writes graphs as ONNX files.
///
/// Initializers with an external location are written as that location (`location`, `offset`, `length`), the
/// others with their bytes. Everything unordered is sorted, so equal graphs give equal files. Nodes of our own domain
/// get their bodies as functions, so that other programs can run the file.
public enum GraphWriter {
  /// Writes a file, whole or not at all.
  /// - Parameter operators: whose bodies are written; without them, a graph that uses our own domain has none.
  /// - Throws: `DataError` that names the file: more than 2 GB in the file itself, an initializer without
  ///   elements, a node whose body cannot be written, no permission.
  public static func write(_ graph: Graph, to path: String, operators: OperatorSet? = nil) throws {
    do {
      try pack(graph, operators) { message, _ in
        try AtomicFile.write(to: path) { writer in
          var sink = Sink(writer)
          withUnsafeMutablePointer(to: &sink) { sink in
            let base = UnsafeMutableRawPointer(sink).assumingMemoryBound(to: ProtobufCBuffer.self)
            _ = protobuf_c_message_pack_to_buffer(message, base)
          }
          if let error = sink.error { throw error }
        }
      }
    } catch let error as DataError {
      throw error.message.hasPrefix(path) ? error : error.at(path)
    }
  }

  /// The bytes of the file.
  /// - Throws: `DataError` as for ``write(_:to:)``, without the file's name.
  public static func bytes(_ graph: Graph, operators: OperatorSet? = nil) throws -> [UInt8] {
    try pack(graph, operators) { message, size in
      [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        count = protobuf_c_message_pack(message, buffer.baseAddress)
      }
    }
  }

  private static func pack<T>(
    _ graph: Graph, _ operators: OperatorSet?, _ body: (UnsafePointer<ProtobufCMessage>, Int) throws -> T
  ) throws -> T {
    let graph = operators.map(graph.namingNewer) ?? graph
    let library = try operators.map { try FunctionLibrary(graph, $0) } ?? FunctionLibrary()
    let writing = ModelWriting()
    // The messages point into the arena and into the graph's tensors.
    return try withExtendedLifetime((writing, graph)) {
      let model = try writing.model(graph, library)
      return try model.withMemoryRebound(to: ProtobufCMessage.self, capacity: 1) { message in
        let size = protobuf_c_message_get_packed_size(message)
        guard size <= WireMemory.sizeLimit else {
          throw DataError("\(size) bytes are more than a graph file may have (2 GB)")
        }
        return try body(message, size)
      }
    }
  }

  /// What protobuf-c appends to: a C structure whose first member is the one it knows.
  private struct Sink {
    var base = ProtobufCBuffer()
    let writer: Unmanaged<FileWriter>
    var error: (any Error)?

    init(_ writer: FileWriter) {
      self.writer = .passUnretained(writer)
      base.append = { buffer, count, data in
        UnsafeMutableRawPointer(buffer!).withMemoryRebound(to: Sink.self, capacity: 1) { sink in
          guard sink.pointee.error == nil else { return }
          do {
            try sink.pointee.writer._withUnsafeGuaranteedRef {
              try $0.append(UnsafeRawBufferPointer(start: data, count: count))
            }
          } catch { sink.pointee.error = error }
        }
      }
    }
  }
}
