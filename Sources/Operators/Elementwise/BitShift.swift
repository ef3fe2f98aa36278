import GraphIR

/// Z = X shifted by Y bits, broadcast. Signed numbers keep their sign to the right; a shift by a negative number or by
/// the whole width or more leaves the sign's fill alone: -1 for a negative X to the right, else 0.
struct BitShift: Operator {
  static let schema = Schema(
    "BitShift", since: 28, inputs: ["X: T", "Y: T"], outputs: ["Z: T"], types: ["T": .integers],
    attributes: ["direction": .none])
  let left: Bool

  init(_ attributes: Attributes) throws {
    let direction = try attributes.required("direction", attributes.string("direction"))
    guard direction == "LEFT" || direction == "RIGHT" else {
      throw DataError("direction is '\(direction)', it must be 'LEFT' or 'RIGHT'")
    }
    left = direction == "LEFT"
  }

  var aliasing: Aliasing { .inPlace([0, 1]) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    [TensorType(try inputs.dtype(0), try Elementwise.broadcast([inputs.shape(0), inputs.shape(1)]))]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = inputs[1], let z = outputs[0] else { return }
    func run<T: FixedWidthInteger>(_ type: T.Type) {
      BinaryKernel.map(x, y, z, context.pool, (type, type, type)) { value, count in
        guard count >= 0, count < T.bitWidth else { return !left && value < 0 ? ~0 : 0 }
        return left ? value &<< count : value &>> count
      }
    }
    switch z.dtype {
    case .int8: run(Int8.self)
    case .int16: run(Int16.self)
    case .int32: run(Int32.self)
    case .int64: run(Int64.self)
    case .uint8: run(UInt8.self)
    case .uint16: run(UInt16.self)
    case .uint32: run(UInt32.self)
    default: run(UInt64.self)
    }
  }
}
