import TensorCore

extension MappedFile {
  /// Calls `body` with all bytes of a file, which stays mapped for as long as the call takes. An error of
  /// `body` gets the file's name in front.
  static func withBytes<T>(of path: String, _ body: (UnsafeRawBufferPointer) throws -> T) throws -> T {
    let file = try MappedFile(path: path)
    return try withExtendedLifetime(file) {
      do { return try body(file.bytes) } catch let error as DataError { throw error.at(path) }
    }
  }
}
