import GraphIR

#if canImport(Glibc)
  import Glibc
#endif

/// `Y[i₀, i₁, …] = X[m₀[i₀], m₁[i₁], …]` with one list of source positions per axis: nearest resizing and
/// mirrored, repeated or wrapped padding. A position of -1 writes a fill value.
struct IndexMapCopy {
  /// Source positions of each axis but the last mapped one, and steps between them, in elements.
  private var outer: [[Int]] = []
  private var steps: [Int] = []
  /// Source positions along the last mapped axis.
  private var inner: [Int] = [0]
  /// Contiguous elements behind each of them.
  private var run = 1
  /// Whether `inner` is 0, 0, 1, 1, 2, 2, …
  private var doubles = false

  /// - Parameter maps: per axis of `shape`, the source's shape; every position is -1 or inside its extent.
  init(shape: [Int], maps: [[Int]]) {
    let strides = Shape.strides(shape)
    var last = shape.count - 1
    // Trailing axes that are copied whole become one run.
    while last >= 0, maps[last].elementsEqual(0..<shape[last]) {
      run *= shape[last]
      last -= 1
    }
    guard last >= 0 else { return }
    inner = maps[last]
    outer = Array(maps[..<last])
    steps = Array(strides[..<last])
    doubles = run == 1 && inner.count % 2 == 0 && inner.indices.allSatisfy { inner[$0] == $0 / 2 }
  }

  func run(
    from: UnsafeRawPointer, to: UnsafeMutableRawPointer, elementSize: Int, fill: Tensor?, _ pool: ThreadPool
  ) {
    func typed<U: FixedWidthInteger>(_ type: U.Type) {
      copy(
        from.assumingMemoryBound(to: type), to.assumingMemoryBound(to: type),
        fill.map { $0.pointer(as: type)[0] } ?? 0, pool)
    }
    switch elementSize {
    case 1: typed(UInt8.self)
    case 2: typed(UInt16.self)
    case 4: typed(UInt32.self)
    default: typed(UInt64.self)
    }
  }

  private func copy<U: FixedWidthInteger>(
    _ from: UnsafePointer<U>, _ to: UnsafeMutablePointer<U>, _ fill: U, _ pool: ThreadPool
  ) {
    let rows = outer.reduce(1) { $0 * $1.count }
    let width = inner.count * run
    if rows == 0 || width == 0 { return }
    pool.forRanges(rows, grain: max(1, (1 << 15) / width)) { range in
      var previous: Int?
      for row in range {
        let line = to + row * width
        let start = offset(row)
        if start < 0 {
          line.update(repeating: fill, count: width)
        } else if start == previous {
          memcpy(line, line - width, width * MemoryLayout<U>.stride)
        } else {
          self.line(from + start, line, fill)
        }
        previous = start
      }
    }
  }

  /// Where a row's elements start in the source, or -1 when it lies outside.
  private func offset(_ row: Int) -> Int {
    var rest = row
    var offset = 0
    for axis in stride(from: outer.count - 1, through: 0, by: -1) {
      let position = outer[axis][rest % outer[axis].count]
      rest /= outer[axis].count
      if position < 0 { return -1 }
      offset += position * steps[axis]
    }
    return offset
  }

  @inline(__always)
  private func line<U: FixedWidthInteger>(
    _ from: UnsafePointer<U>, _ to: UnsafeMutablePointer<U>, _ fill: U
  ) {
    if doubles {
      for i in 0..<inner.count / 2 {
        let value = from[i]
        to[2 &* i] = value
        to[2 &* i &+ 1] = value
      }
    } else if run == 1 {
      inner.withUnsafeBufferPointer { inner in
        for i in 0..<inner.count { to[i] = inner[i] < 0 ? fill : from[inner[i]] }
      }
    } else {
      for (i, position) in inner.enumerated() {
        if position < 0 {
          (to + i * run).update(repeating: fill, count: run)
        } else {
          memcpy(to + i * run, from + position * run, run * MemoryLayout<U>.stride)
        }
      }
    }
  }
}
