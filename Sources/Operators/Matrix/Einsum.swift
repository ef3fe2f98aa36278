import GraphIR

/// Products of operands summed over the axes that the output does not name: `"bij,bjk->bik"`, with `...` for axes
/// that broadcast and repeated letters for diagonals. Operands are joined from the left, two at a time.
struct Einsum: Operator {
  static let schema = Schema(
    "Einsum", since: 28, inputs: ["Inputs*: T"], outputs: ["Output: T"], types: ["T": .numbers],
    attributes: ["equation": .none])
  let equation: EinsumEquation

  init(_ attributes: Attributes) throws {
    equation = try EinsumEquation(attributes.required("equation", attributes.string("equation")))
    guard attributes.inputCount == equation.operands.count else {
      throw DataError(
        "the equation has \(equation.operands.count) operands, the node \(attributes.inputCount)")
    }
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let dtype = try inputs.dtype(0)
    let shapes = try inputs.types.indices.compactMap { try inputs.shape($0) }
    guard shapes.count == inputs.types.count else { return [TensorType(dtype, nil)] }
    let ellipsis = try equation.ellipsis(shapes.map(\.count))
    let extents = try equation.extents(shapes, ellipsis)
    let labels = equation.result.labels(ellipsis: ellipsis.max() ?? 0)
    return [try Movement.limited(dtype, labels.map { extents[$0] ?? 1 })]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0], y.count > 0 else { return }
    let tensors = try inputs.indices.map { try Movement.input(inputs, $0) }
    let ellipsis = try equation.ellipsis(tensors.map(\.rank))
    let output = equation.result.labels(ellipsis: ellipsis.max() ?? 0)
    var operands = zip(equation.operands, zip(tensors, ellipsis)).map { term, operand in
      EinsumOperand(operand.0, term.labels(ellipsis: operand.1), context.pool)
    }
    while operands.count > 1 {
      let (a, b) = (operands.removeFirst(), operands.removeFirst())
      let kept = Set(output + operands.flatMap(\.labels))
      operands.insert(try a.joined(b, keeping: kept, context.pool), at: 0)
    }
    let sum = try operands[0].summed(keeping: Set(output), context.pool)
    // Axes of one element have lost their labels on the way.
    y.assign(sum.arranged(output.filter { sum.labels.contains($0) }, context.pool).reshaped(y.shape))
  }

  func multiplyAdds(_ inputs: [TensorType?], _ outputs: [TensorType]) -> Int {
    let shapes = inputs.compactMap { $0?.shape }
    guard shapes.count == inputs.count, let ellipsis = try? equation.ellipsis(shapes.map(\.count)),
      let extents = try? equation.extents(shapes, ellipsis)
    else { return 0 }
    return Shape.checkedCount(extents.values.compactMap(\.value)) ?? 0
  }
}
