import GraphIR

extension OperatorSet {
  /// The family's operators, one line each.
  static let quantization: [any Operator.Type] = [
    QuantizeLinear.self,
    DequantizeLinear.self,
    DynamicQuantizeLinear.self,
    MatMulInteger.self,
    ConvInteger.self,
    QLinearMatMul.self,
    QLinearConv.self,
  ]
}

extension Set<DType> {
  /// Floats of 8 and 4 bits with which values are quantised.
  static let quantizedFloats: Set<DType> = [
    .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float4e2m1,
  ]
  static let quantized: Set<DType> = quantizedFloats.union([
    .int8, .uint8, .int16, .uint16, .int4, .uint4, .int2, .uint2,
  ])
  /// What integer matrix products and convolutions take.
  static let bytes: Set<DType> = [.int8, .uint8]
}

/// Which scale belongs to which element: one for all, one for each index of an axis, or one for each block along it.
struct ScaleLayout {
  /// Elements before the axis, on it, and behind.
  private(set) var outer = 1
  private(set) var extent = 1
  private(set) var inner: Int
  /// Indices of the axis that share a scale; 0 without blocks.
  private(set) var block = 0

  /// - Throws: `DataError` when the scale's shape does not fit.
  init(_ x: [Int], scale: [Int], axis: Int, blockSize: Int) throws {
    inner = Shape.count(x)
    if blockSize == 0, Shape.count(scale) == 1, scale.count <= 1 { return }
    let axis = try InferenceInputs.axis(axis, rank: x.count)
    (outer, extent, inner) = (
      Shape.count(Array(x[..<axis])), x[axis], Shape.count(Array(x[(axis + 1)...]))
    )
    var expected = [extent]
    if blockSize > 0 {
      block = blockSize
      expected = x
      expected[axis] = (extent + blockSize - 1) / blockSize
    }
    guard scale == expected else {
      throw DataError(
        "a scale \(Shape.text(scale)) does not fit \(Shape.text(x)), \(Shape.text(expected)) would")
    }
  }

  /// Calls `body` for runs of elements: where they are, the scale of the first, and whether each further element
  /// has the next scale (1) or the same (0).
  func forEachRun(_ pool: ThreadPool, _ body: (Range<Int>, _ scale: Int, _ step: Int) -> Void) {
    let blocks = block == 0 ? 0 : (extent + block - 1) / block
    pool.forRanges(outer * extent * inner, grain: Elementwise.grain) { range in
      var start = range.lowerBound
      while start < range.upperBound {
        let (row, column) = start.quotientAndRemainder(dividingBy: inner)
        let end = min(range.upperBound, (row + 1) * inner)
        let index = row % extent
        if inner == 1, block == 0, outer * extent > 1 {
          // Neighbours have scales that are neighbours.
          let end = min(range.upperBound, start + extent - index)
          body(start..<end, index, 1)
          start = end
          continue
        }
        let scale =
          block == 0
          ? (outer * extent == 1 ? 0 : index) : (row / extent * blocks + index / block) * inner + column
        body(start..<end, scale, block == 0 ? 0 : 1)
        start = end
      }
    }
  }
}

enum Quantization {
  /// The values of an input as floats.
  static func floats(_ tensor: Tensor) -> [Float] { tensor.converted(to: .float32).array(of: Float.self) }

  /// The least and greatest value of an integer type of at most 16 bits.
  static func range(_ dtype: DType) -> ClosedRange<Float> {
    let span = Float(sign: .plus, exponent: dtype.bits, significand: 1)
    return dtype.isSigned ? -span / 2...span / 2 - 1 : 0...span - 1
  }

  /// Gives the function that rounds values (half to even) and stores them, saturating, at elements of y.
  /// - Parameter saturating: whether floats of 8 bits saturate; integers always do.
  static func writer(_ y: Tensor, saturating: Bool = true) throws -> (Float, Int) -> Void {
    if let small = SmallFloat(y.dtype) {
      let codes = y.pointer(as: UInt8.self)
      return { codes[$1] = small.code(Double($0), saturating: saturating) }
    }
    let range = range(y.dtype)
    func integer<T: FixedWidthInteger>(_ type: T.Type) -> (Float, Int) -> Void {
      let elements = y.pointer(as: type)
      return { value, index in
        let rounded = value.rounded(.toNearestOrEven)
        // NaN goes to the lower end, as in ONNX Runtime.
        elements[index] = T(truncatingIfNeeded: Int(max(range.lowerBound, min(range.upperBound, rounded))))
      }
    }
    switch (y.dtype.size, y.dtype.isSigned) {
    case (1, true): return integer(Int8.self)
    case (1, false): return integer(UInt8.self)
    case (2, true): return integer(Int16.self)
    case (2, false): return integer(UInt16.self)
    default: throw DataError("cannot quantize to \(y.dtype)")
    }
  }

  /// x minus its zero point, as doubles, in which sums of products of bytes are exact.
  /// - Parameter axis: the axis that a zero point of several numbers belongs to.
  static func centred(_ x: Tensor, _ zero: Tensor?, axis: Int) throws -> Tensor {
    let result = x.converted(to: .float64)
    guard let zero else { return result }
    let points = zero.converted(to: .float64).array(of: Double.self)
    let values = result.pointer(as: Double.self)
    if points.count == 1 {
      for index in 0..<result.count { values[index] -= points[0] }
      return result
    }
    let axis = try InferenceInputs.axis(axis, rank: x.rank)
    // One number for each index of the axis, in one dimension or with the other axes' extents 1 or in full.
    let inner = Shape.count(Array(x.shape[(axis + 1)...]))
    if points.count == x.shape[axis] {
      for index in 0..<result.count { values[index] -= points[index / inner % x.shape[axis]] }
      return result
    }
    guard zero.rank <= x.rank,
      zip(zero.shape.reversed(), x.shape.reversed()).allSatisfy({ $0 == $1 || $0 == 1 })
    else {
      throw DataError("a zero point \(Shape.text(zero.shape)) does not fit \(Shape.text(x.shape))")
    }
    let layout = Shape.broadcastStrides(zero.shape, to: x.shape)
    for index in 0..<result.count {
      var (rest, place) = (index, 0)
      for axis in x.shape.indices.reversed() {
        place += rest % x.shape[axis] * layout[axis]
        rest /= x.shape[axis]
      }
      values[index] -= points[place]
    }
    return result
  }
}
