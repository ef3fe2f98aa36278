import GraphIR

/// Positions of extreme elements along the middle axis of `[outer, axis, inner]`.
enum ArgExtremeKernel {
  /// A NaN counts as the extreme. Of equal elements the first is taken, or the last.
  static func run(
    _ x: Tensor, _ y: Tensor, outer: Int, axis: Int, inner: Int, largest: Bool, last: Bool,
    _ pool: ThreadPool
  ) throws {
    try x.dtype.visit(
      Run(x: x, y: y, outer: outer, axis: axis, inner: inner, largest: largest, last: last, pool: pool))
  }

  private struct Run: ArithmeticVisitor {
    let x: Tensor
    let y: Tensor
    let outer: Int
    let axis: Int
    let inner: Int
    let largest: Bool
    let last: Bool
    let pool: ThreadPool

    func visit<T: ArithmeticElement>(_ type: T.Type) {
      let source = x.pointer(as: type)
      let target = y.pointer(as: Int64.self)
      pool.forRanges(outer * inner, grain: max(1, 16384 / max(axis, 1))) { range in
        for item in range {
          let first = item / inner * axis * inner + item % inner
          var best = source[first]
          var position = 0
          for k in 1..<max(axis, 1) {
            let value = source[first + k * inner]
            let better =
              best.isNotANumber
              ? last && value.isNotANumber
              : value.isNotANumber || (largest ? value > best : value < best) || (last && value == best)
            if better {
              best = value
              position = k
            }
          }
          target[item] = Int64(position)
        }
      }
    }
  }
}
