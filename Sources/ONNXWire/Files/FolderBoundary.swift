import TensorCore

#if canImport(Glibc)
  import Glibc
#endif

/// A folder that files named by other files may not leave.
///
/// A location is refused when it is absolute, has a `..`, or leads outside through a link. One layout is let
/// through: in a Hugging Face cache, `REPOSITORY/snapshots/REVISION/…` consists of links to files in
/// `REPOSITORY/blobs`, which belong to the same download.
public struct FolderBoundary: Sendable {
  /// The folder as it was given.
  public let path: String
  private let real: String
  private let blobs: String?

  /// - Throws: `DataError` when the folder does not exist.
  public init(_ path: String) throws {
    self.path = path.isEmpty ? "." : path
    guard let real = FolderBoundary.realPath(self.path) else {
      throw DataError("\(self.path): \(String(cString: strerror(errno)))")
    }
    self.real = real
    blobs = FolderBoundary.blobs(of: real)
  }

  /// Whether the folder has something (a file, a folder or a link to one) under this relative name.
  public func contains(_ location: String) -> Bool { access(full(location), F_OK) == 0 }

  /// Whether a location says itself that it stays inside: relative, without `..`.
  func isInside(_ location: String) -> Bool { FolderBoundary.isInside(location) }

  /// The same for any folder.
  public static func isInside(_ location: String) -> Bool {
    let parts = location.split(separator: "/", omittingEmptySubsequences: false)
    return !location.isEmpty && !location.hasPrefix("/") && !parts.contains("..")
      && !location.utf8.contains(0)
  }

  /// The real path of the file at `location`.
  /// - Throws: `DataError` that names the location when it leads outside, or the file when it is missing.
  public func resolve(_ location: String) throws -> String {
    guard isInside(location) else {
      throw DataError("'\(location)' is not a path inside the folder \(path)")
    }
    guard let target = FolderBoundary.realPath(full(location)) else {
      throw DataError("\(full(location)): \(String(cString: strerror(errno)))")
    }
    if target.hasPrefix(real == "/" ? "/" : real + "/") { return target }
    if let blobs, target.hasPrefix(blobs + "/") { return target }
    throw DataError("'\(location)' leads outside the folder \(path)")
  }

  private func full(_ location: String) -> String {
    path.hasSuffix("/") ? path + location : "\(path)/\(location)"
  }

  /// `…/blobs` for a folder `…/snapshots/REVISION` or one inside it.
  private static func blobs(of real: String) -> String? {
    let parts = real.split(separator: "/", omittingEmptySubsequences: false)
    guard let position = parts.lastIndex(of: "snapshots"), position + 1 < parts.count, position > 0
    else { return nil }
    return (parts[..<position] + ["blobs"]).joined(separator: "/")
  }

  private static func realPath(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// The folder part of a path: what stands before the last `/`, or `.`.
  public static func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}
