import TensorCore

/// Merges the bytes of a word, best pair first.
struct BytePairEncoder: Sendable {
  /// A pair's place in the list of merges (lower goes first) and the id of the two together.
  private struct Merge { let rank: UInt32, id: UInt32 }

  /// Ids of single bytes, inside a word and at its end.
  private let inner: [UInt32]
  private let last: [UInt32]
  private let merges: [UInt64: Merge]

  /// - Throws: `DataError` when a merge names tokens that the vocabulary lacks, or when it lacks a byte and
  ///   there is no unknown token.
  init(_ files: TokenizerFiles, unknown: (content: String, id: Int?)) throws {
    func ids(_ suffix: String) throws -> [UInt32] {
      try (0...255).map { byte in
        let text = String(ByteAlphabet.characters[byte]) + suffix
        guard let id = files.vocabulary[text] ?? unknown.id else {
          throw DataError("\(files.path): neither “\(text)” nor the unknown token “\(unknown.content)”")
        }
        return UInt32(id)
      }
    }
    inner = try ids("")
    last = try ids(ByteAlphabet.endOfWord)
    var merges: [UInt64: Merge] = [:]
    merges.reserveCapacity(files.merges.count)
    for (rank, pair) in files.merges.enumerated() {
      func id(_ token: String) throws -> UInt32 {
        guard let id = files.vocabulary[token] else {
          throw DataError(
            "\(files.mergesPath): merge \(rank + 1) needs “\(token)”, which the vocabulary lacks")
        }
        return UInt32(id)
      }
      let key = BytePairEncoder.key(try id(pair.left), try id(pair.right))
      merges[key] = Merge(rank: UInt32(rank), id: try id(pair.left + pair.right))
    }
    self.merges = merges
  }

  private static func key(_ left: UInt32, _ right: UInt32) -> UInt64 { UInt64(left) << 32 | UInt64(right) }

  /// The ids of one word. O(n log n) for n bytes.
  func encode(_ word: ArraySlice<Unicode.Scalar>) -> [Int] {
    let bytes = word.flatMap { UTF8.encode($0)! }
    guard let end = bytes.last else { return [] }
    var symbols = bytes.dropLast().map { inner[Int($0)] } + [last[Int(end)]]
    merge(&symbols)
    return symbols.map(Int.init)
  }

  /// Neighbours are linked by position. Pairs wait in a heap ordered by rank, then position; one whose
  /// symbols have changed meanwhile is dropped when its turn comes.
  private func merge(_ symbols: inout [UInt32]) {
    let count = symbols.count
    guard count > 1 else { return }
    var previous = Array(-1..<count - 1)
    var next = Array(1...count)
    var isAlive = [Bool](repeating: true, count: count)
    var heap = MinHeap()
    func candidate(_ left: Int) -> Merge? {
      guard left >= 0, next[left] < count else { return nil }
      return merges[BytePairEncoder.key(symbols[left], symbols[next[left]])]
    }
    func push(_ left: Int) {
      if let merge = candidate(left) { heap.push(UInt64(merge.rank) << 32 | UInt64(left)) }
    }
    for left in 0..<count - 1 { push(left) }
    while let top = heap.pop() {
      let left = Int(top & 0xFFFF_FFFF)
      guard isAlive[left], let merge = candidate(left), UInt64(merge.rank) == top >> 32 else { continue }
      let right = next[left]
      symbols[left] = merge.id
      isAlive[right] = false
      next[left] = next[right]
      if next[left] < count { previous[next[left]] = left }
      push(previous[left])
      push(left)
    }
    symbols = symbols.indices.filter { isAlive[$0] }.map { symbols[$0] }
  }
}

/// A binary heap with the smallest value on top.
private struct MinHeap {
  private var values: [UInt64] = []

  mutating func push(_ value: UInt64) {
    values.append(value)
    var child = values.count - 1
    while child > 0, values[child] < values[(child - 1) / 2] {
      values.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func pop() -> UInt64? {
    guard let top = values.first else { return nil }
    let moved = values.removeLast()
    guard !values.isEmpty else { return top }
    values[0] = moved
    var parent = 0
    while true {
      var child = 2 * parent + 1
      guard child < values.count else { return top }
      if child + 1 < values.count, values[child + 1] < values[child] { child += 1 }
      guard values[child] < values[parent] else { return top }
      values.swapAt(child, parent)
      parent = child
    }
  }
}
