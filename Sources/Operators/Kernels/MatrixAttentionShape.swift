import GraphIR

/// The extents of an attention as numbers.
struct AttentionShape {
  let isPacked: Bool
  let batch: Int
  let queryHeads: Int
  let keyHeads: Int
  let queries: Int
  let keys: Int
  let past: Int
  let hasPast: Bool
  let headSize: Int
  let valueSize: Int

  /// Nil while an extent is not known.
  init?(_ extents: AttentionExtents) {
    guard let isPacked = extents.isPacked, let batch = extents.batch.value,
      let queryHeads = extents.queryHeads.value, let keyHeads = extents.keyHeads.value,
      let queries = extents.queries.value, let keys = extents.keys.value,
      let past = extents.past.value, let headSize = extents.headSize.value,
      let valueSize = extents.valueSize.value
    else { return nil }
    self.isPacked = isPacked
    self.batch = batch
    self.queryHeads = queryHeads
    self.keyHeads = keyHeads
    self.queries = queries
    self.keys = keys
    self.past = past
    hasPast = extents.hasPast
    self.headSize = headSize
    self.valueSize = valueSize
  }

  var total: Int { past + keys }

  /// A tensor [batch, heads, count, size], or [batch, count, heads · size] when the inputs are packed.
  func view<T>(_ base: UnsafePointer<T>, _ heads: Int, _ count: Int, _ size: Int) -> HeadView<T> {
    HeadView(
      base: base, batchStride: heads * count * size, headStride: isPacked ? size : count * size,
      rowStride: isPacked ? heads * size : size)
  }

  /// Past and new keys (or values) in the order of their positions.
  func parts<T>(past base: UnsafePointer<T>?, new: UnsafePointer<T>, size: Int) -> [HeadPart<T>] {
    var result: [HeadPart<T>] = []
    if let base, past > 0 {
      let view = HeadView(
        base: base, batchStride: keyHeads * past * size, headStride: past * size, rowStride: size)
      result.append(HeadPart(view: view, start: 0, count: past))
    }
    if keys > 0 {
      result.append(HeadPart(view: view(new, keyHeads, keys, size), start: past, count: keys))
    }
    return result
  }

  /// Writes the parts one after another as [batch, key heads, total, size].
  func join<T>(
    _ parts: [HeadPart<T>], _ size: Int, into target: UnsafeMutablePointer<T>, _ pool: ThreadPool
  ) {
    pool.forEach(batch * keyHeads) { item in
      for part in parts {
        let source = part.view.head(item / keyHeads, item % keyHeads)
        let out = target + (item * total + part.start) * size
        for row in 0..<part.count {
          (out + row * size).update(from: source + row * part.view.rowStride, count: size)
        }
      }
    }
  }
}

/// Where the rows of each head lie.
struct HeadView<T> {
  let base: UnsafePointer<T>
  let batchStride: Int
  let headStride: Int
  let rowStride: Int

  /// The first row of a head.
  func head(_ batch: Int, _ head: Int) -> UnsafePointer<T> {
    base + batch * batchStride + head * headStride
  }
}

/// A run of keys or values that lie together; `start` is the position of the first among all.
struct HeadPart<T> {
  let view: HeadView<T>
  let start: Int
  let count: Int
}

/// How attention is cut: blocks of queries, one work item each, go over pieces of the keys. It follows from
/// the extents alone, so that results do not depend on the number of threads.
struct AttentionTiling {
  let rows: Int
  let columns: Int
  private let valueSize: Int

  init(_ shape: AttentionShape) {
    // Scores of a block and a piece (256 × 512) fill half of a second-level cache.
    let heads = Cost.product([shape.batch, shape.queryHeads])
    var rows = 256
    while rows > 64, heads < 8, Cost.product([heads, shape.queries / rows + 1]) < 8 { rows /= 2 }
    self.rows = min(rows, shape.queries)
    columns = min(max(AttentionTiling.piece(shape.past), AttentionTiling.piece(shape.keys)), 1024)
    valueSize = shape.valueSize
  }

  /// The length of the pieces that a run of so many keys is cut into.
  static func piece(_ count: Int) -> Int {
    guard count > 640 else { return count }
    let pieces = (count - 1) / 512 + 1
    return ((count - 1) / pieces + 16) / 16 * 16
  }

  /// Scores, results, and three numbers a row.
  var scratchCount: Int { Cost.product([rows, min(columns + 3, 4096) + min(valueSize, 1 << 40)]) }
}
