import GraphIR

extension OperatorSet {
  /// The family's operators, one line each.
  static let recurrent: [any Operator.Type] = [LSTM.self, GRU.self, RNN.self]
}

/// Long short-term memory; gates in the order input, output, forget, cell.
struct LSTM: Operator {
  static let schema = Schema(
    "LSTM", since: 22,
    inputs: [
      "X: T", "W: T", "R: T", "B?: T", "sequence_lens?: I", "initial_h?: T", "initial_c?: T", "P?: T",
    ],
    outputs: ["Y?: T", "Y_h?: T", "Y_c?: T"], types: ["T": .floats, "I": [.int32]],
    attributes: RecurrentForm.attributes.merging(["input_forget": .int(0)]) { $1 })

  let form: RecurrentForm
  init(_ attributes: Attributes) throws { form = try RecurrentForm(.lstm, attributes) }
  func infer(_ inputs: InferenceInputs) throws -> [TensorType] { try form.infer(inputs) }
  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    try form.run(inputs, outputs)
  }
}

/// Gated recurrent unit; gates in the order update, reset, hidden.
struct GRU: Operator {
  static let schema = Schema(
    "GRU", since: 22, inputs: ["X: T", "W: T", "R: T", "B?: T", "sequence_lens?: I", "initial_h?: T"],
    outputs: ["Y?: T", "Y_h?: T"], types: ["T": .floats, "I": [.int32]],
    attributes: RecurrentForm.attributes.merging(["linear_before_reset": .int(0)]) { $1 })

  let form: RecurrentForm
  init(_ attributes: Attributes) throws { form = try RecurrentForm(.gru, attributes) }
  func infer(_ inputs: InferenceInputs) throws -> [TensorType] { try form.infer(inputs) }
  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    try form.run(inputs, outputs)
  }
}

/// A simple recurrent layer, h = f(x Wᵀ + h Rᵀ + b).
struct RNN: Operator {
  static let schema = Schema(
    "RNN", since: 22, inputs: ["X: T", "W: T", "R: T", "B?: T", "sequence_lens?: I", "initial_h?: T"],
    outputs: ["Y?: T", "Y_h?: T"], types: ["T": .floats, "I": [.int32]],
    attributes: RecurrentForm.attributes)

  let form: RecurrentForm
  init(_ attributes: Attributes) throws { form = try RecurrentForm(.rnn, attributes) }
  func infer(_ inputs: InferenceInputs) throws -> [TensorType] { try form.infer(inputs) }
  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    try form.run(inputs, outputs)
  }
}
