import TensorCore

/// Elements of 4 and 2 bits as files hold them: several to a byte, the first in its lowest bits.
extension Tensor {
  /// - Parameter bytes: as many as `dtype.fileByteCount` says.
  init(_ dtype: DType, _ shape: [Int], unpacking bytes: UnsafeRawBufferPointer) {
    self.init(dtype, shape)
    let perByte = 8 / dtype.bits
    let mask = UInt8(1 << dtype.bits - 1)
    let unused = UInt8(8 - dtype.bits)
    let isSigned = dtype.isInteger && dtype.isSigned
    let elements = pointer(as: UInt8.self)
    for index in 0..<count {
      let code = bytes[index / perByte] >> UInt8(index % perByte * dtype.bits) & mask
      elements[index] = isSigned ? UInt8(bitPattern: Int8(bitPattern: code << unused) >> Int8(unused)) : code
    }
  }

  /// The tensor's bytes in a file, packed where its elements have fewer than 8 bits.
  func packedBytes() -> [UInt8] {
    let perByte = 8 / dtype.bits
    let mask = UInt8(1 << dtype.bits - 1)
    let elements = pointer(as: UInt8.self)
    var bytes = [UInt8](repeating: 0, count: dtype.fileByteCount(count)!)
    for index in 0..<count {
      bytes[index / perByte] |= (elements[index] & mask) << UInt8(index % perByte * dtype.bits)
    }
    return bytes
  }
}
