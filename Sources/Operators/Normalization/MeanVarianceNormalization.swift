import GraphIR

/// Y = (X − mean) / (deviation + 10⁻⁹), both over some axes.
struct MeanVarianceNormalization: Operator {
  static let schema = Schema.map(
    "MeanVarianceNormalization", since: 13, attributes: ["axes": .ints([0, 2, 3])])
  let axes: [Int]

  init(_ attributes: Attributes) throws { axes = try attributes.required("axes", attributes.ints("axes")) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let type = try inputs.type(0)
    if let rank = type.rank { _ = try Movement.axes(axes, rank: rank) }
    return [type]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = outputs[0], x.count > 0 else { return }
    let folded = try Movement.axes(axes, rank: x.rank)
    let flags = x.shape.indices.map(folded.contains)
    let layout = ReductionLayout(x.shape, flags)
    let statistic = Tensor(x.dtype, x.shape.indices.map { flags[$0] ? 1 : x.shape[$0] })
    try ReductionKernel.run(.mean, x, statistic, layout, context.pool)
    try Sub.run(x, statistic, y, context.pool)
    try ReductionKernel.run(.l2, y, statistic, layout, context.pool)
    try statistic.dtype.visit(Deviation(norms: statistic, count: x.count / statistic.count))
    try Div.run(y, statistic, y, context.pool)
  }

  /// Turns the length of a centred vector into its standard deviation, kept above 0.
  private struct Deviation: ArithmeticVisitor {
    let norms: Tensor
    let count: Int

    func visit<T: ArithmeticElement>(_ type: T.Type) {
      let values = norms.pointer(as: type)
      for i in 0..<norms.count {
        values[i] = T(rounding: values[i].double / Double(count).squareRoot() + 1e-9)
      }
    }
  }
}
