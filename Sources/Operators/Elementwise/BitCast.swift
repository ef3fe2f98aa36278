import GraphIR

/// The input's bytes read as another element type of the same size.
struct BitCast: Operator {
  static let schema = Schema(
    "BitCast", since: 26, inputs: ["input: T1"], outputs: ["output: T2"],
    types: ["T1": .all, "T2": .all], attributes: ["to": .none])
  static let runsHalf = true
  let target: DType

  init(_ attributes: Attributes) throws { target = try attributes.elementType("to") }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let source = try inputs.dtype(0)
    guard source.size == target.size else {
      throw DataError("\(source) cannot be read as \(target): an element has another size")
    }
    return [TensorType(target, try inputs.shape(0))]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = outputs[0] else { return }
    y.pointer.copyMemory(from: x.pointer, byteCount: x.byteCount)
  }
}
