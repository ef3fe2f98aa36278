import CommandLineSupport
import Foundation

/// The cases of a folder, or of an archive of one.
struct CaseFolder {
  let path: String
  /// The operator and group of each case, in the order of the folder's `cases.tsv`.
  let cases: [(name: String, op: String, group: String)]

  /// - Parameter scratch: where an archive is unpacked.
  /// - Throws: `DataError` that names the file.
  init(_ source: String, scratch: String) throws {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: source, isDirectory: &isFolder) else {
      throw DataError("\(source): no such file or folder")
    }
    if isFolder.boolValue {
      path = source
    } else {
      path = scratch
      let tar = Process()
      tar.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      tar.arguments = ["tar", "-xzf", source, "-C", scratch]
      try tar.run()
      tar.waitUntilExit()
      guard tar.terminationStatus == 0 else { throw DataError("\(source): tar cannot unpack it") }
    }
    let table = "\(path)/cases.tsv"
    guard let text = try? String(contentsOfFile: table, encoding: .utf8) else {
      throw DataError("\(table): cannot be read; Tools/conformance/write_cases.py makes such folders")
    }
    cases = try text.split(separator: "\n").map { line in
      let parts = line.split(separator: "\t").map(String.init)
      guard parts.count == 3 else { throw DataError("\(table): '\(line)' is no name, operator and group") }
      return (parts[0], parts[1], parts[2])
    }
  }
}
