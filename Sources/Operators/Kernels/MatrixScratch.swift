import GraphIR
import Synchronization

extension ThreadPool {
  /// Calls `body(item, slot)` for every item below `count`. At any time no two calls have the same slot, and
  /// slots are below `threadCount`: a slot stands for one thread's part of the scratch memory.
  func forEachWithSlot(_ count: Int, _ body: (_ item: Int, _ slot: Int) -> Void) {
    let next = Atomic<Int>(0)
    forEach(min(threadCount, count)) { slot in
      while true {
        let item = next.wrappingAdd(1, ordering: .relaxed).oldValue
        if item >= count { return }
        body(item, slot)
      }
    }
  }
}

/// Scratch memory cut into equal parts, one a thread.
struct SlottedScratch<T> {
  private let base: UnsafeMutableRawPointer
  private let stride: Int
  // Holds memory that the plan did not foresee.
  private let owned: Storage?

  /// Bytes that `count` elements in each of `threads` slots take.
  static func byteCount(_ count: Int, threads: Int) -> Int {
    Cost.product([stride(count), threads])
  }

  private static func stride(_ count: Int) -> Int {
    // A cache line more than needed keeps slots from meeting at the same set of a cache.
    (min(count, 1 << 48) * MemoryLayout<T>.size + 63) / 64 * 64 + 64
  }

  /// `count` elements for each thread of the context's pool, in the context's workspace when it is large
  /// enough.
  init(_ count: Int, _ context: RunContext) {
    stride = Self.stride(count)
    let needed = stride * context.pool.threadCount
    if let workspace = context.workspace.baseAddress, context.workspace.count >= needed {
      base = workspace
      owned = nil
    } else {
      let storage = Storage(byteCount: needed)
      base = storage.base
      owned = storage
    }
  }

  /// The part of a slot. Valid while the scratch lives.
  func pointer(_ slot: Int) -> UnsafeMutablePointer<T> {
    (base + slot * stride).assumingMemoryBound(to: T.self)
  }
}

/// Scratch memory that all threads see.
struct SharedScratch<T> {
  let base: UnsafeMutablePointer<T>
  /// The context with the workspace that is left.
  let rest: RunContext
  // Holds memory that the plan did not foresee.
  private let owned: Storage?

  /// Bytes that `count` elements take.
  static func byteCount(_ count: Int) -> Int {
    (min(count, (1 << 60) / MemoryLayout<T>.size) * MemoryLayout<T>.size + 63) / 64 * 64
  }

  /// `count` elements in the context's workspace when it is large enough. Valid while the scratch lives.
  init(_ count: Int, _ context: RunContext) {
    let needed = Self.byteCount(count)
    if let workspace = context.workspace.baseAddress, context.workspace.count >= needed {
      base = workspace.assumingMemoryBound(to: T.self)
      rest = RunContext(pool: context.pool, workspace: .init(rebasing: context.workspace[needed...]))
      owned = nil
    } else {
      let storage = Storage(byteCount: needed)
      base = storage.base.assumingMemoryBound(to: T.self)
      rest = context
      owned = storage
    }
  }
}

/// Products of sizes that a file may have made up.
enum Cost {
  /// The product, or the largest number when it does not fit.
  static func product(_ factors: [Int]) -> Int {
    factors.contains(0)
      ? 0
      : factors.reduce(1) {
        let (product, overflow) = $0.multipliedReportingOverflow(by: $1)
        return overflow ? .max : product
      }
  }

  /// The number of elements times the factors; 0 while something is not known.
  static func product(_ type: TensorType?, _ factors: Dim?...) -> Int {
    guard let shape = type?.concreteShape else { return 0 }
    var all = shape
    for factor in factors {
      guard let value = factor?.value else { return 0 }
      all.append(value)
    }
    return product(all)
  }
}
