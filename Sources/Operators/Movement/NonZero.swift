import GraphIR

/// Positions of the elements that are not zero, in row-major order: `[rank, count]`.
struct NonZero: Operator {
  static let schema = Schema(
    "NonZero", since: 9, inputs: ["X: T"], outputs: ["Y: I"], types: ["T": .all])
  static let runsHalf = true

  init(_ attributes: Attributes) throws {}

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let rank = try inputs.type(0).rank
    let count = inputs.constant(0).map { Dim.known(NonZero.positions($0).count) }
    return [TensorType(.int64, [rank.map { .known($0) } ?? .unknown, count ?? .unknown])]
  }

  /// Flat positions of the elements that are not zero; -0 is zero, NaN is not.
  static func positions(_ x: Tensor) -> [Int] {
    func find<T: FixedWidthInteger>(_ type: T.Type, _ mask: T) -> [Int] {
      let data = x.pointer(as: type)
      return (0..<x.count).filter { data[$0] & mask != 0 }
    }
    // Bits of a float without its sign.
    let float = x.dtype.isFloat
    switch x.dtype.size {
    case 1: return find(UInt8.self, .max)
    case 2: return find(UInt16.self, float ? .max >> 1 : .max)
    case 4: return find(UInt32.self, float ? .max >> 1 : .max)
    default: return find(UInt64.self, float ? .max >> 1 : .max)
    }
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    let x = try Movement.input(inputs, 0)
    let positions = NonZero.positions(x)
    try Movement.check(y, is: [x.rank, positions.count])
    let strides = Shape.strides(x.shape)
    let out = y.pointer(as: Int64.self)
    for axis in 0..<x.rank {
      for (i, position) in positions.enumerated() {
        out[axis * positions.count + i] = Int64(position / strides[axis] % x.shape[axis])
      }
    }
  }
}
