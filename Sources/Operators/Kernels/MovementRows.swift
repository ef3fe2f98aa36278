import GraphIR

#if canImport(Glibc)
  import Glibc
#endif

/// Copies of whole rows from computed places.
enum RowCopy {
  /// Row `i` of `to` becomes the `length` elements at offset `offsets(i)` of `from`.
  /// - Parameters:
  ///   - count: the number of rows.
  ///   - length: elements in a row.
  ///   - elementSize: bytes in an element: 1, 2, 4 or 8.
  static func gather(
    from: UnsafeRawPointer, to: UnsafeMutableRawPointer, count: Int, length: Int, elementSize: Int,
    _ pool: ThreadPool, offsets: (Int) -> Int
  ) {
    func single<U>(_ type: U.Type) {
      let x = from.assumingMemoryBound(to: type)
      let y = to.assumingMemoryBound(to: type)
      pool.forRanges(count, grain: 1 << 14) { range in
        for row in range { y[row] = x[offsets(row)] }
      }
    }
    if length == 0 { return }
    if length == 1 {
      switch elementSize {
      case 1: return single(UInt8.self)
      case 2: return single(UInt16.self)
      case 4: return single(UInt32.self)
      default: return single(UInt64.self)
      }
    }
    let bytes = length * elementSize
    pool.forRanges(count, grain: max(1, (1 << 17) / bytes)) { range in
      for row in range { memcpy(to + row * bytes, from + offsets(row) * elementSize, bytes) }
    }
  }
}
