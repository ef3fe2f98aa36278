import GraphIR

/// Scaled dot-product attention, the ONNX operator of opsets 23 to 25.
///
/// Y = softmax(cap(scale · Q · Kᵀ) + mask) · V for every head, with the mask, the causal rule, the window and
/// the padding lengths joined. Q is [batch, heads, queries, size] or [batch, queries, heads · size], K and V
/// likewise with as many heads or a divisor. A query that sees no key gives zeros.
struct Attention: Operator {
  static let schema = Schema(
    "Attention", since: 23, inputs: AttentionForm.inputs, outputs: AttentionForm.outputs,
    types: AttentionForm.types, attributes: AttentionForm.attributes)

  let form: AttentionForm

  init(_ attributes: Attributes) throws {
    form = try AttentionForm(attributes, padsMask: attributes.opset >= 24)
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] { try form.infer(inputs) }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    try form.run(inputs, into: outputs, context)
  }

  func workspace(_ inputs: [TensorType?], threads: Int) -> Int {
    form.workspace(inputs, threads: threads)
  }

  func multiplyAdds(_ inputs: [TensorType?], _ outputs: [TensorType]) -> Int {
    form.multiplyAdds(inputs)
  }

  static func exposing(_ form: ValueForm, of node: Node, as output: String) -> Node? {
    AttentionForm.exposing(form, of: node, as: output)
  }
}

/// ONNX's attention with a fifth output, `lse` [batch, heads, queries]: log Σ exp over the keys of the
/// scaled, capped and masked scores, −∞ for a query that sees no key. It is float64 for float64 inputs and
/// float32 otherwise.
///
/// An operator of our own domain. A mask that is one key wide repeats, unless `nonpad_kv_seqlen` is given.
struct AttentionWithLogSumExp: Operator {
  static let schema = Schema(
    "Attention", domain: "dsd", since: 1, inputs: AttentionForm.inputs,
    outputs: AttentionForm.outputs + ["lse?"], types: AttentionForm.types,
    attributes: AttentionForm.attributes)

  let form: AttentionForm

  init(_ attributes: Attributes) throws {
    form = try AttentionForm(attributes, padsMask: attributes.inputCount > 6)
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let extents = try form.extents(inputs.types)
    let dtype: DType = try inputs.dtype(0) == .float64 ? .float64 : .float32
    return try form.infer(inputs) + [TensorType(dtype, Array(extents.scores.dropLast()))]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    try form.run(inputs, into: outputs, context)
  }

  func workspace(_ inputs: [TensorType?], threads: Int) -> Int {
    form.workspace(inputs, threads: threads)
  }

  func multiplyAdds(_ inputs: [TensorType?], _ outputs: [TensorType]) -> Int {
    form.multiplyAdds(inputs)
  }

  static func exposing(_ form: ValueForm, of node: Node, as output: String) -> Node? {
    AttentionForm.exposing(form, of: node, as: output)
  }
}
