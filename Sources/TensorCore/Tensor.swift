#if canImport(Glibc)
  import Glibc
#endif

/// A dense, row-major block of elements inside a storage.
///
/// A tensor is a reference: copies and views share their bytes. Views are contiguous parts (reshapes and
/// ranges along the first axis); operators that permute or broadcast walk strides inside their kernels and
/// write dense results, so no kernel has to accept arbitrary strides.
public struct Tensor: @unchecked Sendable {
  public let dtype: DType
  public let shape: [Int]
  public let storage: Storage
  /// Where the first element is, from the storage's base.
  public let byteOffset: Int
  /// The number of elements.
  public let count: Int

  /// A tensor with owned, uninitialised memory.
  public init(_ dtype: DType, _ shape: [Int]) {
    self.dtype = dtype
    self.shape = shape
    count = Shape.count(shape)
    storage = Storage(byteCount: count * dtype.size)
    byteOffset = 0
  }

  /// A view into a storage.
  /// - Throws: `DataError` when the bytes do not lie inside the storage or are not aligned.
  public init(_ dtype: DType, _ shape: [Int], in storage: Storage, at byteOffset: Int) throws {
    guard let count = Shape.checkedCount(shape),
      case (let bytes, let overflow) = count.multipliedReportingOverflow(by: dtype.size), !overflow,
      byteOffset >= 0, bytes <= storage.byteCount, byteOffset <= storage.byteCount - bytes
    else { throw DataError("a \(dtype) tensor \(Shape.text(shape)) does not fit its bytes") }
    guard (Int(bitPattern: storage.base) + byteOffset) % dtype.size == 0 else {
      throw DataError("a \(dtype) tensor starts at an unaligned address")
    }
    self.init(dtype, shape, count: count, in: storage, unchecked: byteOffset)
  }

  private init(_ dtype: DType, _ shape: [Int], count: Int, in storage: Storage, unchecked offset: Int) {
    self.dtype = dtype
    self.shape = shape
    self.count = count
    self.storage = storage
    byteOffset = offset
  }

  /// A tensor that holds `values`; `shape` must have as many elements.
  public init<T: Element>(_ values: [T], shape: [Int]) {
    precondition(Shape.count(shape) == values.count)
    self.init(T.dtype, shape)
    values.withUnsafeBytes { bytes in
      if let source = bytes.baseAddress { memcpy(pointer, source, bytes.count) }
    }
  }

  /// A tensor of rank 0.
  public init<T: Element>(scalar: T) { self.init([scalar], shape: []) }

  /// A tensor of zeros.
  public static func zeros(_ dtype: DType, _ shape: [Int]) -> Tensor {
    let result = Tensor(dtype, shape)
    memset(result.pointer, 0, result.byteCount)
    return result
  }

  /// A tensor of zeros whose memory is only reserved: pages are taken when something touches them.
  /// - Throws: `DataError` when there are not even addresses for them.
  public static func placeholder(_ dtype: DType, _ shape: [Int]) throws -> Tensor {
    let count = Shape.count(shape)
    return Tensor(
      dtype, shape, count: count, in: try Storage(reserving: count * dtype.size), unchecked: 0)
  }

  public var rank: Int { shape.count }
  public var byteCount: Int { count * dtype.size }

  /// The first element. Valid while the storage lives.
  public var pointer: UnsafeMutableRawPointer { storage.base + byteOffset }

  /// The first element, typed. The caller has checked `dtype`.
  public func pointer<T>(as type: T.Type) -> UnsafeMutablePointer<T> {
    pointer.assumingMemoryBound(to: type)
  }

  /// The elements as an array. The caller has checked `dtype`.
  public func array<T: Element>(of type: T.Type = T.self) -> [T] {
    precondition(T.dtype == dtype, "a \(dtype) tensor was read as \(T.dtype)")
    return Array(UnsafeBufferPointer(start: pointer(as: type), count: count))
  }

  /// The same bytes in another shape of as many elements.
  public func reshaped(_ shape: [Int]) -> Tensor {
    precondition(Shape.count(shape) == count)
    return Tensor(dtype, shape, count: count, in: storage, unchecked: byteOffset)
  }

  /// Rows `range` along the first axis, as a view.
  public func rows(_ range: Range<Int>) -> Tensor {
    precondition(rank > 0 && range.lowerBound >= 0 && range.upperBound <= shape[0])
    let row = shape[0] == 0 ? 0 : count / shape[0]
    return Tensor(
      dtype, [range.count] + shape.dropFirst(), count: range.count * row, in: storage,
      unchecked: byteOffset + range.lowerBound * row * dtype.size)
  }

  /// Gives back the memory of a tensor in a mapped file until it is touched again.
  public func releasePages() { storage.releasePages(byteOffset..<byteOffset + byteCount) }

  /// A deep copy with owned memory.
  public func copy() -> Tensor {
    let result = Tensor(dtype, shape)
    memcpy(result.pointer, pointer, byteCount)
    return result
  }

  /// Same type, shape and bytes.
  public func isIdentical(to other: Tensor) -> Bool {
    dtype == other.dtype && shape == other.shape && memcmp(pointer, other.pointer, byteCount) == 0
  }
}

extension Tensor: CustomStringConvertible {
  /// Type, shape and the first elements.
  public var description: String {
    let shown = Array(converted(to: .float64, first: 6).array(of: Double.self))
      .map { $0 == $0.rounded() && abs($0) < 1e15 ? String(Int64($0)) : String($0) }
    return "\(dtype)\(Shape.text(shape)) {\(shown.joined(separator: ", "))\(count > 6 ? ", …" : "")}"
  }
}
