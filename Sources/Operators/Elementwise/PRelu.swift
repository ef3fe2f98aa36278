import GraphIR

/// Y = X, or slope · X below 0; the slope broadcasts to X.
struct PRelu: Operator {
  static let schema = Schema(
    "PRelu", since: 16, inputs: ["X: T", "slope: T"], outputs: ["Y: T"], types: ["T": .numbers])

  init(_ attributes: Attributes) {}

  var aliasing: Aliasing { .inPlace([0]) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let type = try inputs.type(0)
    if let x = type.shape, let slope = try inputs.shape(1) {
      guard let joined = try Elementwise.broadcast([x, slope]), joined.count == x.count,
        zip(joined, x).allSatisfy({ $0.agrees(with: $1) })
      else {
        throw DataError("slope \(Elementwise.text(slope)) does not broadcast to \(Elementwise.text(x))")
      }
    }
    return [type]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let slope = inputs[1], let y = outputs[0] else { return }
    try x.dtype.visit(Run(x: x, slope: slope, y: y, pool: context.pool))
  }

  private struct Run: ArithmeticVisitor {
    let x: Tensor
    let slope: Tensor
    let y: Tensor
    let pool: ThreadPool

    func visit<T: ArithmeticElement>(_ type: T.Type) {
      BinaryKernel.map(x, slope, y, pool, (type, type, type)) { $0 < T.zero ? T.product($0, $1) : $0 }
    }
  }
}

extension PRelu: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let (g, d, x) = (context.graph, try context.gradient(), context.input(0))
    let below = g.Less(x, try context.number(0))
    return [
      context.wants(0) ? g.Where(below, g.Mul(d, context.input(1)), d) : nil,
      context.wants(1) ? try context.sum(try context.masked(g.Mul(d, x), where: below), to: 1) : nil,
    ]
  }
}
