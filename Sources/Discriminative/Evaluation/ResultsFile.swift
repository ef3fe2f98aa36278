import Foundation
import ONNXWire

#if canImport(Glibc)
  import Glibc
#endif

/// The terms of items, appended to a file as they are computed: a `ResultsHeader` in the first line, then one
/// item a line.
///
/// A run that ended at any moment leaves whole lines, and perhaps the start of one, which is dropped. One process
/// at a time has the file.
public final class ResultsFile {
  public let path: String
  /// The file's own header, which may ask for more terms than the run that opened it.
  public let header: ResultsHeader
  /// What the file holds, by the items' keys.
  public private(set) var terms: [String: MatchingTerms] = [:]

  private let descriptor: Int32
  private var lastSync = ContinuousClock.now

  /// Opens or makes a results file.
  /// - Parameter wanted: what the run needs; `layers` may be empty when the file is known to have them.
  /// - Throws: `DataError` when the file is something else, is damaged, was made with other settings, is in use, or
  ///   cannot be written.
  public init(path: String, wanted: ResultsHeader) throws {
    self.path = path
    try OutputCheck.file(path)
    let (wholeBytes, isNew): (Int, Bool)
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw ResultsFile.failure(path, "opened") }
    do {
      try ResultsFile.claim(path, descriptor)
      let found = try ResultsFile.read(path, wanted)
      header = found.header ?? wanted
      terms = found.terms
      wholeBytes = found.wholeBytes
      isNew = found.header == nil
    } catch {
      close(descriptor)
      throw error
    }
    guard ftruncate(descriptor, off_t(wholeBytes)) == 0, lseek(descriptor, 0, SEEK_END) == off_t(wholeBytes)
    else { throw ResultsFile.failure(path, "written") }
    if isNew { try write(ResultsFile.line(wanted), sync: true) }
  }

  /// - Throws: `DataError` when another process has the file, or it is none.
  private static func claim(_ path: String, _ descriptor: Int32) throws {
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      throw DataError("\(path): another run has the file")
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw DataError("\(path): not a regular file")
    }
  }

  deinit { close(descriptor) }

  /// The header of an existing file, or nil where there is none yet.
  public static func header(of path: String) throws -> ResultsHeader? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    let file = try MappedFile(path: path)
    return try withExtendedLifetime(file) {
      guard let end = file.bytes.firstIndex(of: 0x0A) else { return nil }
      return try header(UnsafeRawBufferPointer(rebasing: file.bytes[..<end]), path)
    }
  }

  /// Appends an item's terms. They are the system's when this returns, and on the disk a second later at most once
  /// more is appended or `sync` is called.
  public func append(_ item: EvaluationItem, key: String, _ terms: MatchingTerms) throws {
    var line = Array("{\"id\":".utf8)
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    line += try encoder.encode(item.id)
    line += ",\"key\":\"\(key)\",\"images\":\(terms.images),\"texts\":\(terms.texts),".utf8
    terms.write(to: &line)
    line += "}\n".utf8
    try write(line, sync: ContinuousClock.now - lastSync > .seconds(1))
    self.terms[key] = terms
  }

  /// Waits until everything is on the disk.
  public func sync() throws {
    guard fsync(descriptor) == 0 || errno == EINVAL else { throw ResultsFile.failure(path, "written") }
    lastSync = .now
  }

  private func write(_ bytes: [UInt8], sync: Bool) throws {
    let start = lseek(descriptor, 0, SEEK_CUR)
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.write(descriptor, $0.baseAddress! + done, bytes.count - done)
      }
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else {
        let error = ResultsFile.failure(path, "written")
        // What is appended after half a line would make it a damaged one.
        if ftruncate(descriptor, start) == 0 { lseek(descriptor, start, SEEK_SET) }
        throw error
      }
      done += count
    }
    if sync { try self.sync() }
  }

  private static func failure(_ path: String, _ what: String) -> DataError {
    DataError("\(path): cannot be \(what): \(String(cString: strerror(errno)))")
  }

  // MARK: Reading

  private struct Content {
    var header: ResultsHeader?
    var terms: [String: MatchingTerms] = [:]
    /// The length of the lines that are whole.
    var wholeBytes = 0
  }

  private static func line(_ header: ResultsHeader) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // The format comes first, so that the start of a line tells what the file is.
    let members = String(decoding: try encoder.encode(header), as: UTF8.self)
      .replacing("\"format\":\"\(ResultsHeader.format)\",", with: "")
    return Array("\(opening)\(members.dropFirst())\n".utf8)
  }

  private static let opening = "{\"format\":\"\(ResultsHeader.format)\","

  private static func read(_ path: String, _ wanted: ResultsHeader) throws -> Content {
    let file = try MappedFile(path: path)
    return try withExtendedLifetime(file) {
      var content = Content()
      let bytes = file.bytes
      guard let end = bytes.firstIndex(of: 0x0A) else {
        // Nothing, or a header that was not finished: anything else is somebody else's.
        guard bytes.prefix(opening.utf8.count).elementsEqual(opening.utf8.prefix(bytes.count)) else {
          throw DataError("\(path): not a results file of dsd eval")
        }
        return content
      }
      let header = try header(UnsafeRawBufferPointer(rebasing: bytes[..<end]), path)
      if let reason = header.refusal(of: wanted) {
        throw DataError("\(path): \(reason); choose another file for --results")
      }
      content.header = header
      content.wholeBytes = end + 1
      var start = end + 1
      var number = 1
      while start < bytes.count, let end = bytes[start...].firstIndex(of: 0x0A) {
        number += 1
        let line = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
        guard let (key, terms) = record(line, header) else {
          // A line that was not written to its end can only be the last one.
          if end + 1 == bytes.count { break }
          throw DataError("\(path):\(number): not a line of results")
        }
        content.terms[key] = terms
        content.wholeBytes = end + 1
        start = end + 1
      }
      return content
    }
  }

  private static func header(_ line: UnsafeRawBufferPointer, _ path: String) throws -> ResultsHeader {
    struct Kind: Decodable { let format: String, version: Int }
    let data = Data(line)
    guard let kind = try? JSONDecoder().decode(Kind.self, from: data), kind.format == ResultsHeader.format
    else {
      throw DataError("\(path): not a results file of dsd eval")
    }
    guard kind.version == ResultsHeader.version else {
      throw DataError("\(path): version \(kind.version) of results is not known")
    }
    guard let header = try? JSONDecoder().decode(ResultsHeader.self, from: data) else {
      throw DataError("\(path):1: a damaged header")
    }
    return header
  }

  private static func record(
    _ line: UnsafeRawBufferPointer, _ header: ResultsHeader
  ) -> (String, MatchingTerms)? {
    guard case .object(let values)? = try? JSON(parsing: line), case .string(let key)? = values["key"],
      case .int(let images)? = values["images"], case .int(let texts)? = values["texts"],
      (1...ItemReader.pairLimit).contains(images), (1...ItemReader.pairLimit).contains(texts),
      let terms = MatchingTerms(
        values, images: images, texts: texts, timesteps: header.timesteps.count, layers: header.layers.count,
        header.shape, heads: header.heads?.reduce(0, +))
    else { return nil }
    return (key, terms)
  }
}
