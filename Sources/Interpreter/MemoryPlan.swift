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

  /// Places the blocks: largest first, each at the lowest offset where it meets no block that lives at the
  /// same time.
  init(_ blocks: [Block]) {
    self.blocks = blocks
    let order = blocks.indices.sorted {
      (blocks[$0].bytes, blocks[$1].first) > (blocks[$1].bytes, blocks[$0].first)
    }
    // Placed blocks by offset.
    var placed: [Int] = []
    for index in order {
      let bytes = MemoryPlan.aligned(blocks[index].bytes)
      var offset = 0
      var position = 0
      while position < placed.count {
        let other = self.blocks[placed[position]]
        if other.first <= blocks[index].last && blocks[index].first <= other.last {
          if other.offset >= offset + bytes { break }
          offset = max(offset, other.offset + MemoryPlan.aligned(other.bytes))
        }
        position += 1
      }
      self.blocks[index].offset = offset
      arenaBytes = max(arenaBytes, offset + bytes)
      let insertion = placed.firstIndex { self.blocks[$0].offset > offset } ?? placed.count
      placed.insert(index, at: insertion)
    }
  }

  static func aligned(_ bytes: Int) -> Int {
    (max(bytes, 1) + Storage.alignment - 1) / Storage.alignment * Storage.alignment
  }
}
