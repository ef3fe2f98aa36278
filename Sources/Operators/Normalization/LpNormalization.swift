import CKernels
import GraphIR

/// Y = X / ‖X‖ₚ along an axis, p = 1 or 2; a zero vector stays zero.
struct LpNormalization: Operator {
  static let schema = Schema.map("LpNormalization", since: 22, attributes: ["axis": .int(-1), "p": .int(2)])
  let axis: Int
  let p: Int

  init(_ attributes: Attributes) throws {
    axis = try attributes.required("axis", attributes.int("axis"))
    p = try attributes.required("p", attributes.int("p"))
    guard p == 1 || p == 2 else { throw DataError("p is \(p), it must be 1 or 2") }
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let type = try inputs.type(0)
    if let rank = type.rank { _ = try InferenceInputs.axis(axis, rank: rank) }
    return [type]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = outputs[0] else { return }
    let at = try InferenceInputs.axis(axis, rank: x.rank)
    var shape = x.shape
    shape[at] = 1
    let norms = Tensor(x.dtype, shape)
    try ReductionKernel.run(
      p == 1 ? .l1 : .l2, x, norms, ReductionLayout(x.shape, x.shape.indices.map { $0 == at }),
      context.pool)
    try x.dtype.visit(ReplaceZeros(norms: norms))
    try Div.run(x, norms, y, context.pool)
  }

  private struct ReplaceZeros: ArithmeticVisitor {
    let norms: Tensor
    func visit<T: ArithmeticElement>(_ type: T.Type) {
      let values = norms.pointer(as: type)
      for i in 0..<norms.count where values[i] == T.zero { values[i] = T.one }
    }
  }
}
