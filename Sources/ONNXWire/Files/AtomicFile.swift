import TensorCore

#if canImport(Glibc)
  import Glibc
#endif

/// Writes a file so that its name always stands for a whole one: bytes go to a temporary name in the same
/// folder, and the finished file takes the real name in one step. On an error nothing is left behind.
public enum AtomicFile {
  /// - Parameters:
  ///   - path: what exists there is replaced; a device or pipe is written to directly.
  ///   - sync: waits until the bytes are on the disk before the file takes its name.
  ///   - body: gets a writer and appends the content.
  /// - Throws: `DataError` that names `path` (no permission, no such folder, a folder, no space), or whatever
  ///   `body` throws.
  public static func write(
    to path: String, sync: Bool = false, _ body: (FileWriter) throws -> Void
  ) throws {
    var status = stat()
    let exists = stat(path, &status) == 0
    let kind = status.st_mode & S_IFMT
    if exists && kind == S_IFDIR { throw DataError("\(path): cannot be written: is a folder") }
    if path.isEmpty || path.hasSuffix("/") { throw DataError("\(path): cannot be written: not a file name") }
    if exists && kind != S_IFREG {
      let writer = try FileWriter(opening: path, flags: O_WRONLY | O_CLOEXEC, named: path)
      defer { writer.close() }
      try body(writer)
      return try writer.flush()
    }
    let temporary = "\(path).tmp-\(getpid())-\(String(UInt32.random(in: 0 ... .max), radix: 16))"
    let writer = try FileWriter(
      opening: temporary, flags: O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, named: path)
    var finished = false
    defer {
      writer.close()
      if !finished { unlink(temporary) }
    }
    try body(writer)
    try writer.flush()
    if sync { try writer.check(fsync(writer.descriptor)) }
    try writer.check(rename(temporary, path))
    finished = true
  }

  /// Writes `bytes` as the whole content.
  public static func write(_ bytes: [UInt8], to path: String, sync: Bool = false) throws {
    try write(to: path, sync: sync) { writer in try writer.append(bytes) }
  }
}

/// Appends bytes to an open file, through a buffer.
public final class FileWriter {
  let descriptor: Int32
  private let name: String
  private var buffer: [UInt8] = []
  private static let bufferSize = 1 << 16

  /// The number of bytes appended so far.
  public private(set) var byteCount = 0

  init(opening path: String, flags: Int32, named name: String) throws {
    self.name = name
    descriptor = open(path, flags, 0o666)
    try check(descriptor)
    buffer.reserveCapacity(FileWriter.bufferSize)
  }

  public func append(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try append($0) } }

  public func append(_ text: String) throws { try append(Array(text.utf8)) }

  public func append(_ bytes: UnsafeRawBufferPointer) throws {
    byteCount += bytes.count
    if buffer.count + bytes.count <= FileWriter.bufferSize {
      buffer.append(contentsOf: bytes)
    } else {
      try flush()
      try writeAll(bytes)
    }
  }

  func flush() throws {
    try buffer.withUnsafeBytes { try writeAll($0) }
    buffer.removeAll(keepingCapacity: true)
  }

  private func writeAll(_ bytes: UnsafeRawBufferPointer) throws {
    var done = 0
    while done < bytes.count {
      let written = Glibc.write(descriptor, bytes.baseAddress! + done, min(bytes.count - done, 1 << 30))
      if written < 0 && errno == EINTR { continue }
      try check(Int32(clamping: written))
      done += written
    }
  }

  func check(_ result: Int32) throws {
    if result < 0 {
      throw DataError("\(name): cannot be written: \(String(cString: strerror(errno)))")
    }
  }

  func close() { _ = Glibc.close(descriptor) }
}
