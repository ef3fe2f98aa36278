import Foundation
import TensorCore

/// A folder of files for code that wants paths, gone when the call ends.
enum ScratchFolder {
  /// Calls `body` with the path of a folder that holds the files; names may have one folder part.
  static func with<T>(_ files: [(name: String, bytes: UnsafeRawBufferPointer)], _ body: (String) throws -> T)
    throws -> T
  {
    let template = FileManager.default.temporaryDirectory.path + "/dsd-fuzz-XXXXXX"
    var path = Array(template.utf8CString)
    guard mkdtemp(&path) != nil else { throw BrokenPromise("no scratch folder") }
    let folder = String(decoding: path.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    var made: [String] = []
    var folders: [String] = []
    defer {
      for file in made { unlink(file) }
      for inner in folders.reversed() { rmdir(inner) }
      rmdir(folder)
    }
    for (name, bytes) in files {
      if let slash = name.firstIndex(of: "/") {
        let inner = "\(folder)/\(name[..<slash])"
        if !folders.contains(inner) {
          mkdir(inner, 0o700)
          folders.append(inner)
        }
      }
      let file = "\(folder)/\(name)"
      let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
      guard descriptor >= 0 else { throw BrokenPromise("no scratch file") }
      made.append(file)
      let written = bytes.count == 0 ? 0 : write(descriptor, bytes.baseAddress!, bytes.count)
      close(descriptor)
      guard written == bytes.count else { throw BrokenPromise("no space for a scratch file") }
    }
    return try body(folder)
  }
}

/// Several files in one input: their contents in a fixed order with a zero byte between them, which no text
/// file has. An empty part is a file that is not there.
struct FileBundle {
  let files: [(name: String, bytes: UnsafeRawBufferPointer)]
  /// What follows the last file.
  let rest: UnsafeRawBufferPointer

  init(_ bytes: UnsafeRawBufferPointer, names: [String]) {
    var files: [(name: String, bytes: UnsafeRawBufferPointer)] = []
    var rest = bytes[...]
    for name in names {
      let part = rest.prefix { $0 != 0 }
      rest = rest[part.endIndex...].dropFirst()
      if !part.isEmpty { files.append((name, UnsafeRawBufferPointer(rebasing: part))) }
    }
    self.files = files
    self.rest = UnsafeRawBufferPointer(rebasing: rest)
  }
}
