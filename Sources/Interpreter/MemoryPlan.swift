import GraphIR

/// Offsets in one arena for values that live for part of a run.
struct MemoryPlan {
  /// A block that is needed from one step to another, both included.
  struct Block {
    var bytes: Int
    var first: Int
    var last: Int
    var offset = 0
  }

  private(set) var blocks: [Block]
  private(set) var arenaBytes = 0

  /// Steps along placed blocks, all blocks together: a graph of a few thousand values takes a hundredth.
  private static let patience = 1 << 28

  /// Places the blocks: largest first, each at the lowest offset where it meets no block that lives at the
  /// same time. When a graph has too many values for that, the rest get memory of their own.
  init(_ blocks: [Block]) {
    self.blocks = blocks
    let order = blocks.indices.sorted {
      (blocks[$0].bytes, blocks[$1].first) > (blocks[$1].bytes, blocks[$0].first)
    }
    // Placed blocks by offset; in one array of plain numbers, as every block walks along it.
    var placed: [(first: Int, last: Int, start: Int, end: Int)] = []
    var patience = MemoryPlan.patience
    for index in order {
      let (bytes, first, last) = (
        MemoryPlan.aligned(blocks[index].bytes), blocks[index].first, blocks[index].last
      )
      patience -= placed.count
      guard patience > 0 else {
        self.blocks[index].offset = arenaBytes
        arenaBytes += bytes
        continue
      }
      var offset = 0
      for other in placed where other.first <= last && first <= other.last {
        if other.start >= offset + bytes { break }
        offset = max(offset, other.end)
      }
      self.blocks[index].offset = offset
      arenaBytes = max(arenaBytes, offset + bytes)
      placed.insert((first, last, offset, offset + bytes), at: MemoryPlan.position(after: offset, in: placed))
    }
  }

  /// Where a block at `offset` goes among blocks in order: behind those at the same offset.
  private static func position(
    after offset: Int, in placed: [(first: Int, last: Int, start: Int, end: Int)]
  ) -> Int {
    var (low, high) = (0, placed.count)
    while low < high {
      let middle = (low + high) / 2
      if placed[middle].start > offset { high = middle } else { low = middle + 1 }
    }
    return low
  }

  static func aligned(_ bytes: Int) -> Int {
    (max(bytes, 1) + Storage.alignment - 1) / Storage.alignment * Storage.alignment
  }
}
