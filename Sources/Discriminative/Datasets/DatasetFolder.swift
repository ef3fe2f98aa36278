import Foundation
import ONNXWire

/// Where a dataset's files and images are.
public struct DatasetFolder: Sendable {
  private let files: FolderBoundary
  private let images: FolderBoundary

  /// - Parameters:
  ///   - root: the folder of the files.
  ///   - images: the folder that images are looked for in.
  /// - Throws: `DataError` when there is no such folder.
  public init(_ root: String, images: String) throws {
    files = try FolderBoundary(root)
    self.images = try FolderBoundary(images)
  }

  /// The first of these files that is there, below the root.
  func first(of names: [String]) -> String? { names.first { files.contains($0) } }

  /// - Throws: `DataError` that tells what was looked for.
  func file(_ names: [String]) throws -> String {
    guard let name = first(of: names) else {
      throw DataError("\(files.path): has no \(names.joined(separator: " or "))")
    }
    return name
  }

  /// The path of a file below the root, as messages call it.
  func path(_ file: String) -> String {
    files.path.hasSuffix("/") ? files.path + file : "\(files.path)/\(file)"
  }

  /// A file's bytes, while `body` runs, whose errors have a place of their own.
  func withBytes<T>(_ file: String, _ body: (UnsafeRawBufferPointer) throws -> T) throws -> T {
    let mapped = try MappedFile(path: files.resolve(file))
    return try withExtendedLifetime(mapped) { try body(mapped.bytes) }
  }

  /// One line of a file.
  struct Line {
    let number: Int
    /// `FILE:LINE`
    let place: String
    /// Nil when it is no UTF-8.
    let text: String?

    func whole() throws -> String {
      guard let text else { throw DataError("not UTF-8") }
      return text
    }

    func json() throws -> JSON {
      do { return try JSON(parsing: whole()) } catch let error as DataError {
        // The line is the place's.
        throw DataError(error.message.replacing("malformed JSON in line 1", with: "malformed JSON"))
      }
    }
  }

  /// A file's lines, empty ones left out.
  func lines(_ file: String) throws -> [Line] {
    try withBytes(file) { bytes in
      bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated().compactMap { number, line in
        let line = line.last == 0x0D ? line.dropLast() : line
        guard !line.isEmpty else { return nil }
        return Line(
          number: number + 1, place: "\(path(file)):\(number + 1)",
          text: String(validating: line, as: UTF8.self))
      }
    }
  }

  /// A file that is one JSON value.
  func json(_ file: String) throws -> JSON {
    try withBytes(file) { bytes in
      do { return try JSON(parsing: bytes) } catch let error as DataError { throw error.at(path(file)) }
    }
  }

  /// The image of this name in the first of the folders that has it; in the first one, to be missed there, when none
  /// has.
  func image(_ name: String, in folders: [String], region: String = "") throws -> ImageReference {
    let paths = folders.map { $0.isEmpty ? name : "\($0)/\(name)" }
    return try ImageReference((paths.first { images.contains($0) } ?? paths[0]) + region)
  }

  /// Names in a folder of images, sorted, hidden ones left out.
  /// - Throws: `DataError` when it cannot be read.
  func imageNames(in folder: String) throws -> [String] {
    try DatasetFolder.names(in: folder.isEmpty ? images.path : "\(images.path)/\(folder)")
  }

  /// Names below the root with this ending, sorted.
  func fileNames(below folder: String, ending: String) throws -> [String] {
    guard let names = FileManager.default.enumerator(atPath: path(folder)) else {
      throw DataError("\(path(folder)): cannot be read")
    }
    return names.compactMap { $0 as? String }.filter { $0.hasSuffix(ending) }.sorted()
  }

  private static func names(in path: String) throws -> [String] {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
      throw DataError("\(path): cannot be read")
    }
    return names.filter { !$0.hasPrefix(".") }.sorted()
  }
}
