import GraphIR

/// output = input as element type `to`. Floats become integers by truncation toward zero, saturating, and integers
/// of 4 and 2 bits keep the lowest bits of wider ones; floats round to nearest even; anything but 0 is true.
struct Cast: Operator {
  static let schema = Schema(
    "Cast", since: 25, inputs: ["input: T1"], outputs: ["output: T2"],
    types: ["T1": .storable, "T2": .storable],
    attributes: ["to": .none, "saturate": .int(1), "round_mode": .string("up")])
  static let runsHalf = true
  let target: DType
  private let form: CastForm

  init(_ attributes: Attributes) throws {
    target = try attributes.elementType("to")
    form = try CastForm(attributes)
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    [TensorType(target, try inputs.shape(0))]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = outputs[0] else { return }
    try CastKernel.run(x, y, form, context.pool)
  }
}

/// output = input as the element type of `target_type`.
struct CastLike: Operator {
  static let schema = Schema(
    "CastLike", since: 25, inputs: ["input: T1", "target_type: T2"], outputs: ["output: T2"],
    types: ["T1": .storable, "T2": .storable],
    attributes: ["saturate": .int(1), "round_mode": .string("up")])
  static let runsHalf = true
  private let form: CastForm

  init(_ attributes: Attributes) throws { form = try CastForm(attributes) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    [TensorType(try inputs.dtype(1), try inputs.shape(0))]
  }

  /// A small constant float is known in the other type before any value of that type is.
  func knownOutputs(_ inputs: InferenceInputs) -> [Tensor]? {
    guard let x = inputs.constant(0), x.byteCount <= TypeInference.foldLimit, let type = try? inputs.dtype(1),
      Set<DType>.floats.isSuperset(of: [x.dtype, type])
    else { return nil }
    return [x.converted(to: type)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = outputs[0] else { return }
    try CastKernel.run(x, y, form, context.pool)
  }
}

/// How values become floats of 8 bits.
struct CastForm {
  /// Whether values beyond the largest one become that one, not infinity or NaN.
  var saturates = true
  var rounding = SmallFloat.Rounding.up

  init() {}

  init(_ attributes: Attributes) throws {
    saturates = try attributes.int("saturate") ?? 1 != 0
    let mode = try attributes.string("round_mode") ?? "up"
    guard let rounding = SmallFloat.Rounding(rawValue: mode) else {
      throw DataError("'round_mode' \(mode) is neither up, down nor nearest")
    }
    self.rounding = rounding
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

extension Cast: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    [context.graph.Cast(try context.gradient(), attributes: ["to": .int(Int(try context.dtype().rawValue))])]
  }
}

extension CastLike: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    [context.graph.Cast(try context.gradient(), attributes: ["to": .int(Int(try context.dtype().rawValue))])]
  }
}
