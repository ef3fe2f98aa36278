import ONNXWire
import TensorCore

enum WeightTarget {
  /// Opens the file and touches the first and last byte of every tensor.
  static func safetensors(_ bytes: UnsafeRawBufferPointer) throws {
    try ScratchFolder.with([("model.safetensors", bytes)]) { folder in
      let index = try SafetensorsIndex(path: folder + "/model.safetensors")
      for key in index.keys {
        let tensor = try index.tensor(key)
        try touch(tensor, key)
      }
    }
  }

  /// Reads the array; writing it and reading it again must give the same.
  static func npy(_ bytes: UnsafeRawBufferPointer) throws {
    try touch(try NPYFile.decode(bytes), "array")
  }

  private static func touch(_ tensor: Tensor, _ name: String) throws {
    guard Shape.checkedCount(tensor.shape) == tensor.count else { throw BrokenPromise("shape of \(name)") }
    _ = tensor.description
    guard tensor.byteCount > 0 else { return }
    let bytes = tensor.pointer(as: UInt8.self)
    if tensor.dtype == .bool, bytes[0] > 1 || bytes[tensor.byteCount - 1] > 1 {
      throw BrokenPromise("a bool that is neither true nor false in \(name)")
    }
    // Read through a volatile-like sink, so that the loads stay.
    sink = bytes[0] ^ bytes[tensor.byteCount - 1]
  }

  nonisolated(unsafe) private static var sink: UInt8 = 0
}
