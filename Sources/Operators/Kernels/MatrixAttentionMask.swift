import GraphIR

/// Which keys a query may see by its position: the causal rule, the window, the padding lengths and the
/// width of the mask. Always one run of keys.
struct VisibleKeys {
  private let total: Int
  private let isCausal: Bool
  private let leftWindow: Int?
  private let rightWindow: Int?
  /// Per batch element.
  private let offsets: [Int]
  private let limits: [Int]

  /// - Parameter maskWidth: keys from there on are hidden; nil without such a limit.
  init(shape: AttentionShape, form: AttentionForm, lengths: [Int64]?, maskWidth: Int?) {
    total = shape.total
    isCausal = form.isCausal
    leftWindow = form.leftWindow
    rightWindow = form.rightWindow
    let valid = lengths?.map { Int(min(max($0, 0), Int64(shape.total))) }
    let width = min(maskWidth ?? shape.total, shape.total)
    limits = (0..<shape.batch).map { min(width, valid?[$0] ?? width) }
    offsets = (0..<shape.batch).map { batch in
      shape.hasPast ? shape.past : valid.map { $0[batch] - shape.queries } ?? 0
    }
  }

  /// The keys that a query sees. Both bounds grow with the query.
  func range(_ batch: Int, _ query: Int) -> Range<Int> {
    let position = offsets[batch] + query
    var end = limits[batch]
    if isCausal { end = min(end, position + 1) }
    if let rightWindow { end = min(end, position + rightWindow + 1) }
    let begin = min(max(0, leftWindow.map { position - $0 } ?? 0), total)
    return begin..<max(begin, end)
  }

  /// The keys that a block of queries sees: both ends of what a query sees grow with it.
  func range(_ batch: Int, _ queries: Range<Int>) -> Range<Int> {
    let begin = range(batch, queries.lowerBound).lowerBound
    return begin..<max(begin, range(batch, queries.upperBound - 1).upperBound)
  }
}

/// What hides keys from queries: by position, and by the mask, which may also add to scores.
struct AttentionHiding<T: MatrixScalar> {
  let visible: VisibleKeys
  private let mask: AttentionMask<T>?

  /// - Parameter mask: bool or of type `T`.
  init(_ shape: AttentionShape, _ form: AttentionForm, mask: Tensor?, lengths: [Int64]?) {
    let repeats = mask.map { $0.shape.isEmpty || ($0.shape.last == 1 && !form.padsMask) } ?? false
    visible = VisibleKeys(
      shape: shape, form: form, lengths: lengths, maskWidth: repeats ? nil : mask?.shape.last)
    self.mask = mask.map { AttentionMask($0, shape, repeats: repeats) }
  }

  /// Masks the scores [queries, keys] of a block of one head.
  func apply(
    _ batch: Int, _ head: Int, _ queries: Range<Int>, _ keys: Range<Int>, _ scores: UnsafeMutablePointer<T>
  ) {
    let (first, columns) = (keys.lowerBound, keys.count)
    for row in 0..<queries.count {
      let line = scores + row * columns
      let seen = visible.range(batch, queries.lowerBound + row)
      let begin = min(max(seen.lowerBound - first, 0), columns)
      let end = max(begin, min(seen.upperBound - first, columns))
      line.update(repeating: -.infinity, count: begin)
      (line + end).update(repeating: -.infinity, count: columns - end)
      mask?.apply(batch, head, queries.lowerBound + row, first + begin..<first + end, line + begin)
    }
  }
}

/// A mask given as a tensor that broadcasts to [batch, heads, queries, keys]: false or −∞ hides a key, other
/// numbers are added to the score.
struct AttentionMask<T: MatrixScalar> {
  private let flags: UnsafePointer<UInt8>?
  private let numbers: UnsafePointer<T>?
  /// Of batch, head, query and key.
  private let strides: [Int]

  /// - Parameters:
  ///   - mask: bool or of type `T`.
  ///   - repeats: whether the last axis is one key wide and repeats.
  init(_ mask: Tensor, _ shape: AttentionShape, repeats: Bool) {
    flags = mask.dtype == .bool ? UnsafePointer(mask.pointer(as: UInt8.self)) : nil
    numbers = mask.dtype == .bool ? nil : UnsafePointer(mask.pointer(as: T.self))
    let own = Array(repeating: 1, count: 4 - mask.rank) + mask.shape
    let dense = Shape.strides(own)
    strides = (0..<3).map { own[$0] == 1 ? 0 : dense[$0] } + [repeats ? 0 : 1]
  }

  /// Applies keys `keys` of one query's row to the scores of those keys.
  func apply(
    _ batch: Int, _ head: Int, _ query: Int, _ keys: Range<Int>, _ scores: UnsafeMutablePointer<T>
  ) {
    let start = batch * strides[0] + head * strides[1] + query * strides[2] + keys.lowerBound * strides[3]
    let step = strides[3]
    if let flags {
      let row = flags + start
      for key in 0..<keys.count where row[key * step] == 0 { scores[key] = -.infinity }
    } else if let numbers {
      let row = numbers + start
      for key in 0..<keys.count {
        let added = row[key * step]
        // A hidden key stays hidden whatever its score.
        scores[key] = added == -.infinity ? added : scores[key] + added
      }
    }
  }
}
