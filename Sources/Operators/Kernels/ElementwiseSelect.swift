import GraphIR

/// y = condition ? a : b with broadcasting, for elements of any type.
enum SelectKernel {
  static func run(
    _ condition: Tensor, _ a: Tensor, _ b: Tensor, _ y: Tensor, _ pool: ThreadPool
  ) {
    switch y.dtype.size {
    case 1: run(condition, a, b, y, pool, UInt8.self)
    case 2: run(condition, a, b, y, pool, UInt16.self)
    case 4: run(condition, a, b, y, pool, UInt32.self)
    default: run(condition, a, b, y, pool, UInt64.self)
    }
  }

  private static func run<T: FixedWidthInteger>(
    _ condition: Tensor, _ a: Tensor, _ b: Tensor, _ y: Tensor, _ pool: ThreadPool, _ bits: T.Type
  ) {
    let walk = BroadcastWalk(result: y.shape, [condition.shape, a.shape, b.shape])
    let flags = condition.pointer(as: UInt8.self)
    let p = a.pointer(as: T.self)
    let q = b.pointer(as: T.self)
    let target = y.pointer(as: T.self)
    let (stepC, stepA, stepB) = (walk.innerStrides[0], walk.innerStrides[1], walk.innerStrides[2])
    pool.forRanges(walk.count, grain: Elementwise.grain) { range in
      walk.forEachRun(range) { start, n, offsets in
        let c = flags + offsets[0]
        let x = p + offsets[1]
        let z = q + offsets[2]
        let out = target + start
        for i in 0..<n { out[i] = c[i &* stepC] != 0 ? x[i &* stepA] : z[i &* stepB] }
      }
    }
  }
}
