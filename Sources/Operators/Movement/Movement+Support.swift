import GraphIR

/// Limits and checks that the movement operators share.
enum Movement {
  /// The largest tensor, in bytes, that a value in a graph (a shape, a repeat, a scale) may ask for: 64 GiB.
  /// Extents that come from values would otherwise turn a mistyped number into an impossible allocation.
  static let byteLimit = 1 << 36

  /// The type, if its known extents are not negative and its known size is allowed.
  /// - Throws: `DataError` with the shape that was asked for.
  static func limited(_ dtype: DType, _ shape: [Dim]) throws -> TensorType {
    let known = shape.compactMap(\.value)
    if let negative = known.first(where: { $0 < 0 }) {
      throw DataError("extent \(negative) of the output is negative")
    }
    let type = TensorType(dtype, shape)
    guard let count = Shape.checkedCount(known), count <= byteLimit / dtype.size else {
      throw DataError("output \(type) is too large")
    }
    return type
  }

  /// Axes counted from 0, in the given order.
  /// - Throws: `DataError` when one is out of range or given twice.
  static func axes(_ axes: [Int], rank: Int) throws -> [Int] {
    let normal = try axes.map { try InferenceInputs.axis($0, rank: rank) }
    guard Set(normal).count == normal.count else { throw DataError("axes \(axes) name an axis twice") }
    return normal
  }

  /// The number of elements an input of rank 1 holds, when its type tells.
  static func length(_ inputs: InferenceInputs, _ position: Int) throws -> Int? {
    guard inputs.has(position), let shape = try inputs.shape(position) else { return nil }
    return shape.count == 1 ? shape[0].value : shape.isEmpty ? 1 : nil
  }

  /// As many extents as `count`, none of them known.
  static func unknown(_ count: Int) -> [Dim] { [Dim](repeating: .unknown, count: count) }

  /// - Throws: `DataError` when a tensor that the caller placed has another shape than the values ask for.
  static func check(_ output: Tensor, is shape: [Int]) throws {
    guard output.shape == shape else {
      throw DataError("output is \(Shape.text(output.shape)) where \(Shape.text(shape)) is needed")
    }
  }

  /// The required input at a position of a run.
  static func input(_ inputs: [Tensor?], _ position: Int) throws -> Tensor {
    guard position < inputs.count, let tensor = inputs[position] else {
      throw DataError("input \(position) is missing")
    }
    return tensor
  }

  /// The optional input at a position of a run.
  static func optional(_ inputs: [Tensor?], _ position: Int) -> Tensor? {
    position < inputs.count ? inputs[position] : nil
  }

  /// The values of the integer input at a position, nil when it is absent.
  static func ints(_ inputs: [Tensor?], _ position: Int) throws -> [Int]? {
    try optional(inputs, position)?.integers()
  }
}

extension Attributes {
  /// A list of ints that became an input at opset `version`.
  /// - Throws: `DataError` when a graph of that opset or later still has it as an attribute.
  func ints(_ name: String, before version: Int) throws -> [Int]? {
    try old(name, before: version)
    return try ints(name)
  }

  /// Refuses an attribute that a graph of opset `version` or later cannot have.
  func old(_ name: String, before version: Int) throws {
    guard opset < version || !has(name) else {
      throw DataError("attribute '\(name)' became an input at opset \(version), the graph imports \(opset)")
    }
  }
}

extension Tensor {
  /// The elements of an int32 or int64 tensor.
  /// - Throws: `DataError` for any other type.
  func integers() throws -> [Int] {
    switch dtype {
    case .int64: return UnsafeBufferPointer(start: pointer(as: Int64.self), count: count).map { Int($0) }
    case .int32: return UnsafeBufferPointer(start: pointer(as: Int32.self), count: count).map { Int($0) }
    default: throw DataError("\(dtype) values where int32 or int64 are needed")
    }
  }

  /// The elements as positions along an axis, negative ones counted from its end.
  /// - Throws: `DataError` that names the first index outside `-extent..<extent`.
  func indices(extent: Int, axis: Int) throws -> [Int] {
    var result = try integers()
    for position in result.indices {
      let index = result[position]
      guard index >= -extent, index < extent else {
        throw DataError("index \(index) is out of range for axis \(axis) of extent \(extent)")
      }
      if index < 0 { result[position] = index + extent }
    }
    return result
  }

  /// The elements of a float or integer tensor, as doubles.
  func doubles() -> [Double] { converted(to: .float64).array(of: Double.self) }

  /// Repeats the first element of `value` (of the same type) over the whole tensor.
  func fill(with value: Tensor) {
    func fill<U>(_ unit: U.Type) {
      pointer(as: unit).update(repeating: value.pointer(as: unit)[0], count: count)
    }
    switch dtype.size {
    case 1: fill(UInt8.self)
    case 2: fill(UInt16.self)
    case 4: fill(UInt32.self)
    default: fill(UInt64.self)
    }
  }
}
