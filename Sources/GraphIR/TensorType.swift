/// Element type and shape of a value; the shape may be partly or (nil) wholly unknown.
public struct TensorType: Hashable, Sendable, CustomStringConvertible {
  public var dtype: DType
  public var shape: [Dim]?

  public init(_ dtype: DType, _ shape: [Dim]?) {
    self.dtype = dtype
    self.shape = shape
  }

  public init(_ dtype: DType, _ shape: [Int]) { self.init(dtype, shape.map { Dim.known($0) }) }

  public var rank: Int? { shape?.count }

  /// The shape, when every extent is a number.
  public var concreteShape: [Int]? {
    guard let shape else { return nil }
    var result: [Int] = []
    result.reserveCapacity(shape.count)
    for dim in shape {
      guard let value = dim.value else { return nil }
      result.append(value)
    }
    return result
  }

  /// Bytes of such a tensor, when its shape is concrete and the product fits.
  public var byteCount: Int? {
    guard let shape = concreteShape, let count = Shape.checkedCount(shape) else { return nil }
    let (bytes, overflow) = count.multipliedReportingOverflow(by: dtype.size)
    return overflow ? nil : bytes
  }

  /// Values of more bytes are refused: no machine runs them, and sums of sizes stay far from overflow.
  public static let byteLimit = 1 << 40

  /// Values of more axes are refused; numpy stops at 64 as well.
  public static let rankLimit = 64

  /// Whether the type has more than ``rankLimit`` axes, is known to take more than ``byteLimit`` bytes, or is
  /// no tensor's at all.
  public var isTooLarge: Bool {
    guard let shape else { return false }
    if shape.count > TensorType.rankLimit { return true }
    return concreteShape != nil && byteCount ?? .max > TensorType.byteLimit
  }

  /// Whether a value can have both types.
  public func agrees(with other: TensorType) -> Bool {
    guard dtype == other.dtype else { return false }
    guard let a = shape, let b = other.shape else { return true }
    return a.count == b.count && zip(a, b).allSatisfy { $0.agrees(with: $1) }
  }

  public var description: String {
    guard let shape else { return "\(dtype)[…]" }
    if shape.count > TensorType.rankLimit { return "\(dtype)[\(shape.count) axes]" }
    return "\(dtype)[" + shape.map(\.description).joined(separator: ", ") + "]"
  }
}

extension Shape {
  /// The shape that ONNX's (numpy's) broadcasting gives, or nil when the shapes do not broadcast.
  public static func broadcast(_ a: [Dim], _ b: [Dim]) -> [Dim]? {
    let rank = max(a.count, b.count)
    var result: [Dim] = []
    for axis in 0..<rank {
      let x = axis < rank - a.count ? Dim.known(1) : a[axis - (rank - a.count)]
      let y = axis < rank - b.count ? Dim.known(1) : b[axis - (rank - b.count)]
      switch (x.value, y.value) {
      case (1?, _): result.append(y)
      case (_, 1?): result.append(x)
      case (let p?, let q?):
        guard p == q else { return nil }
        result.append(x)
      // An unknown extent beside a number greater than 1 can only be 1 or that number.
      case (_?, nil): result.append(x)
      case (nil, _?): result.append(y)
      case (nil, nil): result.append(x == y ? x : .unknown)
      }
    }
    return result
  }
}
