/// Helpers for concrete shapes: `[Int]` with every extent at least 0, the slowest axis first.
public enum Shape {
  /// The number of elements, or nil when it or a partial product does not fit an `Int`.
  public static func checkedCount(_ shape: [Int]) -> Int? {
    var count = 1
    var hasZero = false
    for extent in shape {
      if extent < 0 { return nil }
      if extent == 0 {
        hasZero = true
        continue
      }
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      if overflow { return nil }
      count = product
    }
    return hasZero ? 0 : count
  }

  /// The number of elements of a shape known to be sound.
  public static func count(_ shape: [Int]) -> Int { shape.reduce(1, *) }

  /// Row-major strides in elements.
  public static func strides(_ shape: [Int]) -> [Int] {
    var strides = [Int](repeating: 1, count: shape.count)
    for axis in stride(from: shape.count - 2, through: 0, by: -1) {
      strides[axis] = strides[axis + 1] * shape[axis + 1]
    }
    return strides
  }

  /// Strides that read `shape` as if it had been broadcast to `result` (0 on repeated axes), by ONNX's
  /// (numpy's) rules. `shape` must broadcast to `result`.
  public static func broadcastStrides(_ shape: [Int], to result: [Int]) -> [Int] {
    let own = strides(shape)
    let lead = result.count - shape.count
    return result.indices.map { axis in
      axis < lead || shape[axis - lead] == 1 ? 0 : own[axis - lead]
    }
  }

  /// `[1, 4, 64, 64]` as text.
  public static func text(_ shape: [Int]) -> String {
    "[" + shape.map(String.init).joined(separator: ", ") + "]"
  }
}
