import TensorCore

extension Tensor {
  /// A view of a file's bytes, or a copy where the type's alignment (or a bool that is neither 0 nor 1) needs
  /// one.
  /// - Throws: `DataError` when the bytes are not inside the file.
  init(_ dtype: DType, _ shape: [Int], inFile file: MappedFile, at offset: Int) throws {
    if dtype.bits < 8 {
      guard let length = Shape.checkedCount(shape).flatMap(dtype.fileByteCount) else {
        throw DataError("a \(dtype) tensor \(Shape.text(shape)) is too large")
      }
      let packed = try Tensor(.uint8, [length], in: file.storage, at: offset)
      self.init(dtype, shape, unpacking: .init(start: packed.pointer, count: length))
      return
    }
    guard offset < 0 || (Int(bitPattern: file.storage.base) &+ offset) % dtype.size == 0 else {
      guard let count = Shape.checkedCount(shape),
        case (let length, let overflow) = count.multipliedReportingOverflow(by: dtype.size), !overflow
      else { throw DataError("a \(dtype) tensor \(Shape.text(shape)) is too large") }
      let view = try Tensor(.uint8, [length], in: file.storage, at: offset)
      self.init(dtype, shape)
      pointer.copyMemory(from: view.pointer, byteCount: length)
      return
    }
    let view = try Tensor(dtype, shape, in: file.storage, at: offset)
    if dtype == .bool, view.hasOddBools {
      self = view.copy()
      normaliseBools()
    } else {
      self = view
    }
  }

  private var hasOddBools: Bool {
    UnsafeBufferPointer(start: pointer(as: UInt8.self), count: count).contains { $0 > 1 }
  }

  /// Makes every byte of a bool tensor 0 or 1: files may say "true" with any other byte, Swift may not.
  func normaliseBools() {
    let bytes = pointer(as: UInt8.self)
    for element in 0..<count where bytes[element] > 1 { bytes[element] = 1 }
  }
}
