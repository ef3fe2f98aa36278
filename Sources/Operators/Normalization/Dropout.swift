import GraphIR

/// The input as it is, and a mask that keeps everything: inference. Training with a ratio above 0 is refused.
struct Dropout: Operator {
  static let schema = Schema(
    "Dropout", since: 22, inputs: ["data: T", "ratio[0]?: T1", "training_mode[0]?: T2"],
    outputs: ["output: T", "mask?"], types: ["T": .floats, "T1": .floats, "T2": [.bool]],
    attributes: ["ratio": .none, "seed": .none])
  static let runsHalf = true
  let aliasing = Aliasing.inPlace([0])
  /// Before opset 10 the mask has the data's type.
  let maskHasDataType: Bool

  init(_ attributes: Attributes) throws {
    if attributes.opset >= 12, attributes.has("ratio") {
      throw DataError("attribute 'ratio' became an input at opset 12, the graph imports \(attributes.opset)")
    }
    if attributes.opset < 12, attributes.inputCount > 1 {
      throw DataError("inputs 'ratio' and 'training_mode' came with opset 12")
    }
    _ = try (attributes.float("ratio"), attributes.int("seed"))
    maskHasDataType = attributes.opset < 10
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let data = try inputs.type(0)
    return [data, TensorType(maskHasDataType ? data.dtype : .bool, data.shape)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    let x = try Movement.input(inputs, 0)
    let trains = Movement.optional(inputs, 2)?.doubles().contains { $0 != 0 } ?? false
    if trains, Movement.optional(inputs, 1)?.doubles().first ?? 0.5 != 0 {
      throw DataError("training_mode is not supported")
    }
    outputs[0]?.assign(x)
    if outputs.count > 1, let mask = outputs[1] {
      mask.fill(with: Tensor(scalar: Float(1)).converted(to: mask.dtype))
    }
  }
}

extension Dropout: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] { [try context.gradient()] }
}
