import TensorCore

/// A `.safetensors` file, mapped for reading: a JSON header that places each tensor, then their bytes.
///
/// The header is not believed: everything it says is checked against the file before it is used.
public struct SafetensorsFile: Sendable {
  /// Where a tensor is.
  public struct Entry: Sendable, Hashable {
    public let dtype: DType
    public let shape: [Int]
    /// Bytes from the start of the file.
    public let offset: Int
    /// Bytes.
    public let length: Int
  }

  public let path: String
  public let entries: [String: Entry]
  /// The tensors' names in the header's order.
  public let keys: [String]
  /// The header's `__metadata__`.
  public let metadata: [String: String]
  /// The file itself; tensors are views into it.
  public let file: MappedFile

  /// The largest header that is read, in bytes.
  public static let headerLimit = 100_000_000
  /// More axes than this are refused.
  static let rankLimit = 64

  /// - Throws: `DataError` that names the file, and the tensor where one is at fault.
  public init(path: String) throws {
    self.path = path
    file = try MappedFile(path: path)
    var header = SafetensorsHeader()
    do { try header.read(file.bytes) } catch let error as DataError { throw error.at(path) }
    entries = header.entries
    keys = header.keys
    metadata = header.metadata
  }

  /// The tensor as a view into the file, or a copy when its bytes are not aligned for its type.
  /// - Throws: `DataError` when there is no such tensor.
  public func tensor(_ name: String) throws -> Tensor {
    guard let entry = entries[name] else { throw DataError("\(path): has no tensor '\(name)'") }
    do {
      return try Tensor(entry.dtype, entry.shape, inFile: file, at: entry.offset)
    } catch let error as DataError {
      throw error.at("\(path): tensor '\(name)'")
    }
  }
}
