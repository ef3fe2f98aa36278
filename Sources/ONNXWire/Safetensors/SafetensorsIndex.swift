import TensorCore

/// The tensors of a checkpoint that may be cut into several safetensors files.
///
/// Reads `NAME.safetensors.index.json`, whose `weight_map` tells each tensor's file, or a single
/// `.safetensors` file, so that callers treat both alike.
public struct SafetensorsIndex: Sendable {
  /// A tensor's file (relative to the folder) and its place in it.
  public struct Location: Sendable, Hashable {
    public let file: String
    public let entry: SafetensorsFile.Entry
  }

  /// The folder of the index, which the files may not leave.
  public let folder: String
  public let entries: [String: Location]
  /// The tensors' names: files in the order of their names, tensors as their file has them.
  public let keys: [String]
  /// The open files by their name relative to the folder.
  public let files: [String: SafetensorsFile]

  /// The largest index that is read, in bytes.
  static let sizeLimit = 100_000_000

  /// - Parameter path: `….index.json` or `….safetensors`.
  /// - Throws: `DataError` that names the file: not an index, a file outside the folder or missing, a tensor
  ///   that is not in the file the index says.
  public init(path: String) throws {
    let folder = FolderBoundary.folder(of: path)
    self.folder = folder
    guard path.hasSuffix(".json") else {
      let name = path.split(separator: "/").last.map(String.init) ?? path
      let file = try SafetensorsFile(path: path)
      files = [name: file]
      keys = file.keys
      entries = file.entries.mapValues { Location(file: name, entry: $0) }
      return
    }
    let map = try SafetensorsIndex.weightMap(path)
    let boundary = try FolderBoundary(folder)
    var files: [String: SafetensorsFile] = [:]
    var keys: [String] = []
    for name in Set(map.values).sorted() {
      do { _ = try boundary.resolve(name) } catch let error as DataError { throw error.at(path) }
      // Opened by its own name rather than the resolved one, so that messages show the name users know.
      let file = try SafetensorsFile(path: "\(folder)/\(name)")
      files[name] = file
      keys += file.keys.filter { map[$0] == name }
    }
    var entries: [String: Location] = [:]
    for (key, name) in map.sorted(by: { $0.key < $1.key }) {
      guard let entry = files[name]?.entries[key] else {
        throw DataError("\(path): the tensor '\(key)' is not in the file '\(name)'")
      }
      entries[key] = Location(file: name, entry: entry)
    }
    self.files = files
    self.keys = keys
    self.entries = entries
  }

  /// The tensor as a view into its file (see ``SafetensorsFile/tensor(_:)``).
  public func tensor(_ name: String) throws -> Tensor {
    guard let location = entries[name], let file = files[location.file] else {
      throw DataError("\(folder): has no tensor '\(name)'")
    }
    return try file.tensor(name)
  }

  private static func weightMap(_ path: String) throws -> [String: String] {
    try MappedFile.withBytes(of: path) { bytes in
      guard bytes.count <= sizeLimit else { throw DataError("too large for an index") }
      return try weightMap(bytes)
    }
  }

  private static func weightMap(_ bytes: UnsafeRawBufferPointer) throws -> [String: String] {
    var map: [String: String]?
    do {
      var reader = JSONReader(bytes)
      try reader.object { key, reader in
        guard key == "weight_map" else { return try reader.skip() }
        var read: [String: String] = [:]
        try reader.object { tensor, reader in
          if read.updateValue(try reader.string(), forKey: tensor) != nil {
            throw DataError("the tensor '\(tensor)' is given twice")
          }
        }
        if map != nil { throw DataError("'weight_map' is given twice") }
        map = read
      }
      try reader.end()
    } catch let error as DataError {
      throw error.at("the safetensors index is wrong")
    }
    guard let map else { throw DataError("the safetensors index has no 'weight_map'") }
    return map
  }
}
