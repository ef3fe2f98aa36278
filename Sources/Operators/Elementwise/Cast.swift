import GraphIR

/// output = input as element type `to`. Floats become integers by truncation toward zero, saturating; 16-bit
/// floats round to nearest even; anything but 0 is true.
struct Cast: Operator {
  static let schema = Schema(
    "Cast", since: 24, inputs: ["input: T1"], outputs: ["output: T2"],
    types: ["T1": .all, "T2": .all],
    attributes: ["to": .none, "saturate": .int(1), "round_mode": .string("up")])
  static let runsHalf = true
  let target: DType

  init(_ attributes: Attributes) throws { target = try attributes.elementType("to") }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    [TensorType(target, try inputs.shape(0))]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = outputs[0] else { return }
    try CastKernel.run(x, y, context.pool)
  }
}

/// output = input as the element type of `target_type`.
struct CastLike: Operator {
  static let schema = Schema(
    "CastLike", since: 24, inputs: ["input: T1", "target_type: T2"], outputs: ["output: T2"],
    types: ["T1": .all, "T2": .all],
    attributes: ["saturate": .int(1), "round_mode": .string("up")])
  static let runsHalf = true

  init(_ attributes: Attributes) {}

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    [TensorType(try inputs.dtype(1), try inputs.shape(0))]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = outputs[0] else { return }
    try CastKernel.run(x, y, context.pool)
  }
}

extension Attributes {
  /// The element type whose number in ONNX an attribute holds.
  /// - Throws: `DataError` when the attribute is missing or the type is not supported.
  func elementType(_ name: String) throws -> DType {
    let code = try required(name, int(name))
    guard let raw = Int32(exactly: code), let dtype = DType(rawValue: raw) else {
      throw DataError("element type \(code) in '\(name)' is not supported")
    }
    return dtype
  }
}
