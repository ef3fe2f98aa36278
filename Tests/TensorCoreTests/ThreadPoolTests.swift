import TensorCore
import Testing

@Suite struct ThreadPoolTests {
  /// How often each item was done.
  private func counts(_ threads: Int, _ count: Int) -> [Int32] {
    let pool = ThreadPool(threads: threads)
    let done = Tensor.zeros(.int32, [max(count, 1)])
    pool.forEach(count) { done.pointer(as: Int32.self)[$0] += 1 }
    return Array(done.array(of: Int32.self).prefix(max(count, 0)))
  }

  @Test(arguments: [-1, 0, 1, 2, 3, 8]) func everyItemOnce(_ threads: Int) {
    for count in [-1, 0, 1, 2, 7, 1000] {
      #expect(counts(threads, count) == [Int32](repeating: 1, count: max(count, 0)))
    }
  }

  @Test func rangesCoverEverythingOnce() {
    let pool = ThreadPool(threads: 3)
    for (count, grain) in [(0, 4), (1, 4), (4, 4), (9, 4), (5, 0), (5, 100)] {
      let done = Tensor.zeros(.int32, [count + 1])
      pool.forRanges(count, grain: grain) { range in
        for item in range { done.pointer(as: Int32.self)[item] += 1 }
      }
      #expect(done.array(of: Int32.self) == [Int32](repeating: 1, count: count) + [0])
    }
  }

  @Test func poolsInsideOtherPools() {
    let outer = ThreadPool(threads: 3)
    let done = Tensor.zeros(.int32, [12, 20])
    outer.forEach(12) { row in
      let inner = ThreadPool(threads: 2)
      inner.forEach(20) { done.pointer(as: Int32.self)[row * 20 + $0] += 1 }
    }
    #expect(done.array(of: Int32.self) == [Int32](repeating: 1, count: 240))
  }

  @Test func manySmallLoops() {
    let pool = ThreadPool(threads: 4)
    let sums = Tensor.zeros(.int64, [5])
    for _ in 0..<20_000 { pool.forEach(5) { sums.pointer(as: Int64.self)[$0] += 1 } }
    #expect(sums.array(of: Int64.self) == [Int64](repeating: 20_000, count: 5))
  }

  /// Pools come and go, with and without having worked.
  @Test func creationAndDestruction() {
    for round in 0..<500 {
      let pool = ThreadPool(threads: 1 + round % 4)
      if round % 3 > 0 { pool.forEach(round % 7) { _ in } }
    }
  }

  @Test func atLeastOneThread() {
    #expect(ThreadPool(threads: 0).threadCount == 1)
    #expect(ThreadPool(threads: 2).threadCount == 2)
  }
}
