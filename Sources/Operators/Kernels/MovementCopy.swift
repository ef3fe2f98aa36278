import GraphIR

#if canImport(Glibc)
  import Glibc
#endif

/// Copies a block of elements between two strided layouts: what transposes, slices, concatenations, tiles
/// and broadcasts are once their shapes are known.
///
/// Elements are moved as 1-, 2-, 4- or 8-byte units and never interpreted. The work is cut by size alone, so
/// results do not depend on the number of threads.
struct StridedCopy {
  /// Extents, outermost first, after axes that walk together have been joined.
  private(set) var shape: [Int] = []
  /// Steps in elements along each axis; a source step may be 0 (repeat) or negative.
  private(set) var source: [Int] = []
  private(set) var target: [Int] = []

  init(shape: [Int], source: [Int], target: [Int]) {
    if shape.contains(0) {
      (self.shape, self.source, self.target) = ([0], [0], [0])
      return
    }
    for axis in shape.indices where shape[axis] != 1 {
      if let last = self.shape.indices.last,
        self.source[last] == source[axis] &* shape[axis], self.target[last] == target[axis] &* shape[axis]
      {
        self.shape[last] *= shape[axis]
        self.source[last] = source[axis]
        self.target[last] = target[axis]
      } else {
        self.shape.append(shape[axis])
        self.source.append(source[axis])
        self.target.append(target[axis])
      }
    }
  }

  /// To a dense row-major block of `shape`.
  init(shape: [Int], source: [Int]) {
    self.init(shape: shape, source: source, target: Shape.strides(shape))
  }

  /// Runs the copy. `from` and `to` are the elements at index 0 of every axis.
  func run(
    from: UnsafeRawPointer, to: UnsafeMutableRawPointer, elementSize: Int, _ pool: ThreadPool
  ) {
    switch elementSize {
    case 1: copy(from.assumingMemoryBound(to: UInt8.self), to.assumingMemoryBound(to: UInt8.self), pool)
    case 2: copy(from.assumingMemoryBound(to: UInt16.self), to.assumingMemoryBound(to: UInt16.self), pool)
    case 4: copy(from.assumingMemoryBound(to: UInt32.self), to.assumingMemoryBound(to: UInt32.self), pool)
    default: copy(from.assumingMemoryBound(to: UInt64.self), to.assumingMemoryBound(to: UInt64.self), pool)
    }
  }

  /// Elements that one item of parallel work moves, about.
  private static let grain = 1 << 15
  /// Side of the blocks of a transposition, in bytes: a cache line.
  private static let line = 64

  private func copy<U>(_ from: UnsafePointer<U>, _ to: UnsafeMutablePointer<U>, _ pool: ThreadPool) {
    guard let inner = shape.last, let step = source.last, let outStep = target.last else {
      to[0] = from[0]
      return
    }
    if inner == 0 { return }
    if step == 1 && outStep == 1 {
      runs(from, to, inner, pool)
    } else if outStep == 1, step != 0, let axis = source.dropLast().firstIndex(of: 1), shape[axis] > 3 {
      transpose(from, to, axis, pool)
    } else {
      let count = shape.dropLast().reduce(1, *)
      each(count, grain: max(1, StridedCopy.grain / inner), pool, shape.count - 1) { a, b in
        let x = from + a
        let y = to + b
        if step == 0 && outStep == 1 {
          y.update(repeating: x[0], count: inner)
        } else {
          for i in 0..<inner { y[i &* outStep] = x[i &* step] }
        }
      }
    }
  }

  /// The innermost axis is contiguous on both sides.
  private func runs<U>(
    _ from: UnsafePointer<U>, _ to: UnsafeMutablePointer<U>, _ inner: Int, _ pool: ThreadPool
  ) {
    if inner >= 2 * StridedCopy.grain {
      // Few long runs: cut each of them.
      let pieces = (inner + StridedCopy.grain - 1) / StridedCopy.grain
      each(shape.dropLast().reduce(1, *), grain: .max, nil, shape.count - 1) { a, b in
        pool.forEach(pieces) { piece in
          let start = piece * StridedCopy.grain
          let length = min(StridedCopy.grain, inner - start)
          memcpy(to + b + start, from + a + start, length * MemoryLayout<U>.stride)
        }
      }
      return
    }
    let count = shape.dropLast().reduce(1, *)
    let bytes = inner * MemoryLayout<U>.stride
    each(count, grain: max(1, StridedCopy.grain / inner), pool, shape.count - 1) { a, b in
      if bytes >= 32 {
        memcpy(to + b, from + a, bytes)
      } else {
        for i in 0..<inner { to[b + i] = from[a + i] }
      }
    }
  }

  /// `axis` is contiguous in the source and the innermost axis in the target: swap them in small squares.
  ///
  /// A square goes through a buffer, so that each cache line of either side is touched once. Without it,
  /// sides that are a power of two apart push each other out of the cache.
  private func transpose<U>(
    _ from: UnsafePointer<U>, _ to: UnsafeMutablePointer<U>, _ axis: Int, _ pool: ThreadPool
  ) {
    let last = shape.count - 1
    let (rows, columns) = (shape[axis], shape[last])
    let (step, rowStep) = (source[last], target[axis])
    let tile = StridedCopy.line / MemoryLayout<U>.stride
    let bands = (rows + tile - 1) / tile
    let blocks = shape.indices.reduce(1) { $1 == axis || $1 == last ? $0 : $0 * shape[$1] }
    // One item is a band of rows of one block.
    let grain = max(1, StridedCopy.grain / (tile * columns))
    split(blocks * bands, grain: grain, pool) { range in
      withUnsafeTemporaryAllocation(byteCount: tile * StridedCopy.line, alignment: StridedCopy.line) {
        bytes in
        let square = bytes.baseAddress!.assumingMemoryBound(to: U.self)
        for item in range {
          let (a, b) = offsets(item / bands, last, skipping: axis)
          let first = item % bands * tile
          let height = min(tile, rows - first)
          for column in stride(from: 0, to: columns, by: tile) {
            let width = min(tile, columns - column)
            StridedCopy.turn(
              from + (a + first + column &* step), step, to + (b + first &* rowStep + column), rowStep,
              height: height, width: width, square)
          }
        }
      }
    }
  }

  /// `y[i, j] = x[j, i]` for one square: `x` has `width` contiguous rows of `height` elements.
  @inline(__always)
  private static func turn<U>(
    _ x: UnsafePointer<U>, _ step: Int, _ y: UnsafeMutablePointer<U>, _ rowStep: Int,
    height: Int, width: Int, _ square: UnsafeMutablePointer<U>
  ) {
    let tile = line / MemoryLayout<U>.stride
    if height == tile && width == tile {
      // The same with fixed extents, which the compiler unrolls.
      for j in 0..<tile { memcpy(square + j &* tile, x + j &* step, line) }
      for i in 0..<tile {
        let row = y + i &* rowStep
        for j in 0..<tile { row[j] = square[i &+ j &* tile] }
      }
      return
    }
    for j in 0..<width {
      let source = x + j &* step
      for i in 0..<height { square[i &+ j &* tile] = source[i] }
    }
    for i in 0..<height {
      let row = y + i &* rowStep
      for j in 0..<width { row[j] = square[i &+ j &* tile] }
    }
  }

  /// Calls `body` with source and target offsets of every index of the first `axes` axes, in order.
  @inline(__always)
  private func each(
    _ count: Int, grain: Int, _ pool: ThreadPool?, _ axes: Int, _ body: (Int, Int) -> Void
  ) {
    split(count, grain: grain, pool) { range in
      var index = [Int](repeating: 0, count: axes)
      var rest = range.lowerBound
      for axis in stride(from: axes - 1, through: 0, by: -1) {
        index[axis] = rest % shape[axis]
        rest /= shape[axis]
      }
      var (a, b) = offsets(range.lowerBound, axes, skipping: nil)
      for _ in range {
        body(a, b)
        var axis = axes - 1
        while axis >= 0 {
          index[axis] += 1
          a &+= source[axis]
          b &+= target[axis]
          if index[axis] < shape[axis] { break }
          a &-= source[axis] &* shape[axis]
          b &-= target[axis] &* shape[axis]
          index[axis] = 0
          axis -= 1
        }
      }
    }
  }

  /// Source and target offsets of the `position`-th index over the first `axes` axes but one.
  private func offsets(_ position: Int, _ axes: Int, skipping: Int?) -> (Int, Int) {
    var rest = position
    var (a, b) = (0, 0)
    for axis in stride(from: axes - 1, through: 0, by: -1) where axis != skipping {
      let index = rest % shape[axis]
      rest /= shape[axis]
      a &+= index &* source[axis]
      b &+= index &* target[axis]
    }
    return (a, b)
  }

  @inline(__always)
  private func split(_ count: Int, grain: Int, _ pool: ThreadPool?, _ body: (Range<Int>) -> Void) {
    if let pool, count > grain { pool.forRanges(count, grain: grain, body) } else { body(0..<count) }
  }
}
