import GraphIR

/// One way of folding elements, by runs that end in one result and by rows of neighbouring results.
protocol Reducer {
  associatedtype Element
  associatedtype Accumulator
  /// What a result starts with.
  var start: Accumulator { get }
  /// Folds `n` neighbouring elements of result number `result` into one accumulator.
  func run(_ accumulator: inout Accumulator, _ x: UnsafePointer<Element>, _ n: Int, _ result: Int)
  /// Folds one element into each of `n` accumulators; they belong to the results from `result` on.
  func columns(
    _ accumulators: UnsafeMutablePointer<Accumulator>, _ x: UnsafePointer<Element>, _ n: Int,
    _ result: Int)
  /// The result of `count` folded elements.
  func finish(_ accumulator: Accumulator, count: Int, _ result: Int) -> Element
}

enum ReductionKernel {
  /// Results along a kept innermost axis that are worked on together.
  private static let block = 256

  /// Reduces x to y; each result is folded by one thread in the order of its elements.
  static func run<R: Reducer>(
    _ x: Tensor, _ y: Tensor, _ layout: ReductionLayout, _ reducer: R, _ pool: ThreadPool
  ) {
    let source = UnsafePointer(x.pointer(as: R.Element.self))
    let target = y.pointer(as: R.Element.self)
    if x.count == 0 {
      for i in 0..<y.count { target[i] = reducer.finish(reducer.start, count: 0, i) }
      return
    }
    let count = layout.reducedCount
    if layout.reducesInner {
      let grain = max(1, 32768 / count)
      pool.forRanges(layout.outerResults, grain: grain) { range in
        for result in range {
          let first = source + layout.start(result)
          var accumulator = reducer.start
          layout.forEachRun { reducer.run(&accumulator, first + $0, layout.inner, result) }
          target[result] = reducer.finish(accumulator, count: count, result)
        }
      }
    } else {
      let blocks = (layout.inner + block - 1) / block
      let grain = max(1, 32768 / (count * min(layout.inner, block)))
      pool.forRanges(layout.outerResults * blocks, grain: grain) { range in
        withUnsafeTemporaryAllocation(of: R.Accumulator.self, capacity: block) { memory in
          let accumulators = memory.baseAddress!
          for item in range {
            let column = item % blocks * block
            let n = min(block, layout.inner - column)
            let first = source + layout.start(item / blocks) + column
            let result = item / blocks * layout.inner + column
            accumulators.initialize(repeating: reducer.start, count: n)
            layout.forEachRun { reducer.columns(accumulators, first + $0, n, result) }
            for j in 0..<n {
              target[result + j] = reducer.finish(accumulators[j], count: count, result + j)
            }
            accumulators.deinitialize(count: n)
          }
        }
      }
    }
  }
}
