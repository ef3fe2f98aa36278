import TensorCore

/// What is done with a hostile file: everything that a program does with such a file before, and for small
/// graphs while, it runs.
///
/// `Tools/fuzz` drives these with libFuzzer, the test suite with the committed corpora.
public enum FuzzTarget: String, CaseIterable, Sendable {
  /// Graph files: read, validated, written again, prepared and planned.
  case graph
  /// Graph files that are small and cheap by their plan: run as well.
  case run
  case safetensors, npy, png, jpeg
  /// Tokenizer folders, see ``FileBundle``.
  case tokenizer
  /// Checkpoint folders without weights, see ``FileBundle``.
  case config

  /// Reads the bytes of a file.
  /// - Throws: `DataError` when the file is refused. Anything else is a fault of the reader.
  public func read(_ bytes: UnsafeRawBufferPointer) throws {
    switch self {
    case .graph: try GraphTarget.plan(bytes)
    case .run: try GraphTarget.run(bytes)
    case .safetensors: try WeightTarget.safetensors(bytes)
    case .npy: try WeightTarget.npy(bytes)
    case .png, .jpeg: try ImageTarget.read(bytes)
    case .tokenizer: try FolderTarget.tokenizer(bytes)
    case .config: try FolderTarget.config(bytes)
    }
  }

  /// Reads the bytes of a file and tells whether they were accepted.
  /// - Throws: any error but `DataError`.
  public func accepts(_ bytes: UnsafeRawBufferPointer) throws -> Bool {
    do {
      try read(bytes)
      return true
    } catch is DataError {
      return false
    }
  }
}

/// Something that must hold for every accepted file does not.
public struct BrokenPromise: Error, CustomStringConvertible {
  public let description: String
  init(_ description: String) { self.description = description }
}
