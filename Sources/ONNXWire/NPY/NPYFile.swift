import TensorCore

/// numpy's `.npy` files, versions 1 to 3: one array of floats, integers or bools.
public enum NPYFile {
  /// The longest header text that is read, in bytes.
  static let headerLimit = 1 << 20
  private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  /// Reads an array. Big-endian elements and Fortran order are converted.
  /// - Throws: `DataError` that names the file: not `.npy`, an element type without a counterpart (complex,
  ///   text, objects), or fewer bytes than the shape needs.
  public static func read(path: String) throws -> Tensor {
    try MappedFile.withBytes(of: path) { try decode($0) }
  }

  /// Writes an array (version 1, C order, little-endian). Types that numpy lacks become wider ones: bfloat16 and
  /// smaller floats float32, integers of 4 and 2 bits those of 8.
  /// - Throws: `DataError` that names the file when it cannot be written.
  public static func write(_ tensor: Tensor, to path: String) throws {
    let bytes = tensor.converted(to: numpyType(tensor.dtype))
    try AtomicFile.write(to: path) { writer in
      try writer.append(header(bytes))
      try writer.append(UnsafeRawBufferPointer(start: bytes.pointer, count: bytes.byteCount))
    }
  }

  /// Reads an array from the bytes of a file.
  /// - Throws: `DataError` without a place.
  public static func decode(_ bytes: UnsafeRawBufferPointer) throws -> Tensor {
    guard bytes.count >= 10, bytes.prefix(6).elementsEqual(magic) else {
      throw DataError("is not a .npy file")
    }
    let version = bytes[6]
    guard 1...3 ~= version else { throw DataError(".npy version \(version) is not supported") }
    let start = version == 1 ? 10 : 12
    guard bytes.count >= start else { throw DataError("the .npy header goes past the end of the file") }
    let size =
      version == 1
      ? Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt16.self)))
      : Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self)))
    guard size <= bytes.count - start else {
      throw DataError("the .npy header of \(size) bytes goes past the end of the file (\(bytes.count) bytes)")
    }
    guard size <= headerLimit else { throw DataError("the .npy header of \(size) bytes is too long") }
    let header = try NPYHeader(parsing: Array(bytes[start..<start + size]))
    guard let count = Shape.checkedCount(header.shape),
      case (let length, let overflow) = count.multipliedReportingOverflow(by: header.dtype.size), !overflow
    else { throw DataError("the shape \(Shape.text(header.shape)) is too large") }
    let content = UnsafeRawBufferPointer(rebasing: bytes[(start + size)...])
    guard length <= content.count else {
      throw DataError(
        "a \(header.dtype) array \(Shape.text(header.shape)) needs \(length) bytes, the file has "
          + "\(content.count)")
    }
    let tensor = Tensor(header.dtype, header.shape)
    if length > 0 { tensor.pointer.copyMemory(from: content.baseAddress!, byteCount: length) }
    if header.isBigEndian { swapBytes(tensor) }
    if header.dtype == .bool { tensor.normaliseBools() }
    return header.isFortranOrder && header.shape.count > 1 ? rowMajor(tensor) : tensor
  }

  private static func header(_ tensor: Tensor) -> [UInt8] {
    let shape = tensor.shape.map(String.init).joined(separator: ", ") + (tensor.rank == 1 ? "," : "")
    var text = "{'descr': '\(descr(tensor.dtype))', 'fortran_order': False, 'shape': (\(shape)), }"
    // The elements start at a multiple of 64 bytes.
    text += String(repeating: " ", count: 63 - (10 + text.utf8.count) % 64) + "\n"
    let size = text.utf8.count
    return magic + [1, 0, UInt8(size & 0xFF), UInt8(size >> 8)] + Array(text.utf8)
  }

  /// The type itself, or the narrowest of numpy's that holds its values.
  private static func numpyType(_ dtype: DType) -> DType {
    if dtype == .bfloat16 || SmallFloat(dtype) != nil { return .float32 }
    return dtype.bits < 8 ? (dtype.isSigned ? .int8 : .uint8) : dtype
  }

  private static func descr(_ dtype: DType) -> String {
    switch dtype {
    case .bool: "|b1"
    case .int8: "|i1"
    case .uint8: "|u1"
    case .float16, .float32, .float64: "<f\(dtype.size)"
    default: (dtype.isSigned ? "<i" : "<u") + "\(dtype.size)"
    }
  }

  private static func swapBytes(_ tensor: Tensor) {
    let size = tensor.dtype.size
    let bytes = tensor.pointer(as: UInt8.self)
    for element in 0..<tensor.count {
      var one = UnsafeMutableBufferPointer(start: bytes + element * size, count: size)
      one.reverse()
    }
  }

  /// The array whose elements stand first axis fastest, in row-major order.
  private static func rowMajor(_ tensor: Tensor) -> Tensor {
    let result = Tensor(tensor.dtype, tensor.shape)
    let size = tensor.dtype.size
    var strides = [Int](repeating: 1, count: tensor.rank)
    for axis in 1..<tensor.rank { strides[axis] = strides[axis - 1] * tensor.shape[axis - 1] }
    var index = [Int](repeating: 0, count: tensor.rank)
    var source = 0
    for element in 0..<tensor.count {
      (result.pointer + element * size).copyMemory(from: tensor.pointer + source * size, byteCount: size)
      for axis in index.indices.reversed() {
        index[axis] += 1
        source += strides[axis]
        if index[axis] < tensor.shape[axis] { break }
        source -= strides[axis] * tensor.shape[axis]
        index[axis] = 0
      }
    }
    return result
  }
}
