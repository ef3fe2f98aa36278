import TensorCore

#if canImport(Glibc)
  import Glibc
#endif

/// What is in a folder.
enum FolderListing {
  /// The names in a folder, links included.
  /// - Throws: `DataError` that names the folder when it cannot be read.
  static func names(in path: String) throws -> Set<String> {
    guard let folder = opendir(path) else {
      throw DataError("\(path): \(String(cString: strerror(errno)))")
    }
    defer { closedir(folder) }
    var names: Set<String> = []
    while let entry = readdir(folder) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.insert(name) }
    }
    return names
  }

  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }
}
