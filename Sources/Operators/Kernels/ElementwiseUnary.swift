import GraphIR

/// y[i] = f(x[i]) over `n` float32 elements; x and y may be the same memory.
typealias FloatMap = (UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void

/// Maps over all elements of a tensor, in parallel pieces.
enum UnaryKernel {
  static func map(_ x: Tensor, _ y: Tensor, _ pool: ThreadPool, _ body: FloatMap) {
    let source = x.pointer(as: Float.self)
    let target = y.pointer(as: Float.self)
    pool.forRanges(x.count, grain: Elementwise.grain) { range in
      body(source + range.lowerBound, target + range.lowerBound, range.count)
    }
  }

  @inline(__always)
  static func map<A, B>(
    _ x: Tensor, _ y: Tensor, _ pool: ThreadPool, from: A.Type, to: B.Type, _ body: (A) -> B
  ) {
    let source = x.pointer(as: A.self)
    let target = y.pointer(as: B.self)
    pool.forRanges(x.count, grain: Elementwise.grain) { range in
      for i in range { target[i] = body(source[i]) }
    }
  }
}
