import Foundation
import GraphIR

/// Whether results can be written, asked before the work that makes them.
public enum OutputCheck {
  /// - Throws: `DataError` when the folder is not there or not ours to write in, or the path is a folder.
  public static func file(_ path: String) throws {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) {
      if isFolder.boolValue { throw DataError("\(path): cannot be written: is a folder") }
      // What is no regular file is written to as it is.
      if !isRegular(path) { return }
    }
    try writable((path as NSString).deletingLastPathComponent, for: path)
  }

  /// Refuses an output that would take the place of a file that is still needed, or of another output.
  /// - Parameters:
  ///   - outputs: options with their paths; `-` is standard output.
  ///   - path: what is needed.
  ///   - name: what it is called.
  /// - Throws: `UsageError` that names the option.
  public static func distinct(
    _ outputs: [(option: String, path: String?)], from path: String?, _ name: String = "--results"
  ) throws {
    func identity(_ path: String) -> String {
      var status = stat()
      if stat(path, &status) == 0 { return "\(status.st_dev) \(status.st_ino)" }
      return URL(fileURLWithPath: path).standardizedFileURL.path
    }
    var seen = path.map { [identity($0): name] } ?? [:]
    for (option, path) in outputs {
      // Devices and pipes take whatever comes.
      guard let path, path != "-", !FileManager.default.fileExists(atPath: path) || isRegular(path) else {
        continue
      }
      if let other = seen[identity(path)] {
        throw UsageError("\(option): \(path) is the file of \(other)")
      }
      seen[identity(path)] = option
    }
  }

  /// - Throws: `DataError` when the folder is not there and could not be made, or is not ours to write in.
  public static func folder(_ path: String) throws {
    var existing = path
    while !existing.isEmpty, existing != "/", !FileManager.default.fileExists(atPath: existing) {
      existing = (existing as NSString).deletingLastPathComponent
    }
    try writable(existing, for: path)
  }

  private static func writable(_ folder: String, for path: String) throws {
    let folder = folder.isEmpty ? "." : folder
    var status = stat()
    var reason = stat(folder, &status) == 0 ? 0 : errno
    if reason == 0, status.st_mode & S_IFMT != S_IFDIR { reason = ENOTDIR }
    if reason == 0, access(folder, W_OK | X_OK) != 0 { reason = errno }
    guard reason == 0 else {
      throw DataError("\(path): cannot be written: \(String(cString: strerror(reason)))")
    }
  }

  private static func isRegular(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
  }
}
