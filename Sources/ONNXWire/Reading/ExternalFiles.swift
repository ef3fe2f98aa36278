import GraphIR

/// The files beside a graph that hold its tensors, each mapped once.
final class ExternalFiles {
  private let boundary: FolderBoundary
  private var open: [String: MappedFile] = [:]
  private var resolved: [String: String] = [:]

  /// - Throws: `DataError` when the folder does not exist.
  init(folder: String) throws { boundary = try FolderBoundary(folder) }

  /// The tensor at a location: a view of the mapped file, or a copy where its bytes are not aligned.
  /// - Throws: `DataError` that names the file: missing, outside the folder, too short.
  func tensor(_ dtype: DType, _ shape: [Int], _ location: ExternalLocation) throws -> Tensor {
    let file = try file(location.path)
    guard location.length <= file.byteCount, location.offset <= file.byteCount - location.length else {
      throw DataError(
        "bytes \(location.offset) to \(location.offset)+\(location.length) go past the end of "
          + "'\(location.path)' (\(file.byteCount) bytes)")
    }
    do {
      return try Tensor(dtype, shape, inFile: file, at: location.offset)
    } catch let error as DataError {
      throw error.at("'\(location.path)'")
    }
  }

  private func file(_ location: String) throws -> MappedFile {
    if let path = resolved[location], let file = open[path] { return file }
    let path: String
    do {
      path = try boundary.resolve(location)
    } catch let error as DataError {
      if boundary.isInside(location), !boundary.contains(location) {
        throw DataError(
          "the weights' file '\(location)' is missing in \(boundary.path); "
            + "--weights FOLDER takes them from a checkpoint elsewhere")
      }
      throw error
    }
    resolved[location] = path
    if let file = open[path] { return file }
    let file = try MappedFile(path: path)
    open[path] = file
    return file
  }
}

extension Graph {
  /// The graph with every initializer that lives outside the graph file bound to its bytes.
  ///
  /// Files are mapped, not read: nothing is copied but what is not aligned.
  /// - Parameter folder: the folder of the graph file, which the locations may not leave.
  /// - Throws: `DataError` that names the tensor and the file.
  public func bindingExternalData(in folder: String) throws -> Graph {
    try binding(ExternalFiles(folder: folder))
  }

  private func binding(_ files: ExternalFiles) throws -> Graph {
    var result = self
    for (name, initializer) in initializers {
      guard initializer.tensor == nil, let location = initializer.external else { continue }
      do {
        result.initializers[name]?.tensor = try files.tensor(initializer.dtype, initializer.shape, location)
      } catch let error as DataError {
        throw error.at("tensor '\(name)'")
      }
    }
    for (position, node) in nodes.enumerated() {
      for (attribute, body) in node.subgraphs {
        result.nodes[position].attributes[attribute] = .graph(try body.binding(files))
      }
    }
    return result
  }
}
