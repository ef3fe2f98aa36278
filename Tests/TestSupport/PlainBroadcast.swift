import TensorCore

/// The plain twin of the broadcasting walk.
public enum PlainBroadcast {
  /// Where element `index` of `result` is read in an operand of `shape`.
  public static func position(_ index: Int, _ result: [Int], _ shape: [Int]) -> Int {
    let strides = Shape.broadcastStrides(shape, to: result)
    var rest = index
    var position = 0
    for axis in result.indices.reversed() {
      position += rest % result[axis] * strides[axis]
      rest /= result[axis]
    }
    return position
  }

  /// The values of `body` for the elements of two operands that meet in a result of `shape`.
  public static func map<T: Element, Y>(
    _ a: Tensor, _ b: Tensor, _ shape: [Int], _ body: (T, T) -> Y
  ) -> [Y] {
    let p = a.array(of: T.self)
    let q = b.array(of: T.self)
    return (0..<Shape.count(shape)).map {
      body(p[position($0, shape, a.shape)], q[position($0, shape, b.shape)])
    }
  }
}
