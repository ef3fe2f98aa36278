import CKernels
import GraphIR

/// Y = min(max(X, low), high). The bounds are inputs from opset 11 on, attributes before; absent ones do
/// not bound. Where low > high the result is high. NaN stays NaN.
struct Clip: Operator {
  static let schema = Schema(
    "Clip", since: 13, inputs: ["X: T", "min?: T", "max?: T"], outputs: ["Y: T"],
    types: ["T": .numbers], attributes: ["min": .none, "max": .none])
  let low: Float?
  let high: Float?

  init(_ attributes: Attributes) throws {
    low = try attributes.float("min")
    high = try attributes.float("max")
    if attributes.opset >= 11, low != nil || high != nil {
      throw DataError("attributes 'min' and 'max' are inputs from opset 11 on")
    }
  }

  var aliasing: Aliasing { .inPlace([0]) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    for position in 1..<3 where inputs.has(position) {
      if let shape = try inputs.shape(position), shape.contains(where: { $0.value.map { $0 != 1 } ?? false })
      {
        throw DataError("bound \(Elementwise.text(shape)) is not a scalar")
      }
    }
    return [try inputs.type(0)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = outputs[0] else { return }
    let bounds = (1..<3).map { $0 < inputs.count ? inputs[$0] : nil }
    try x.dtype.visit(
      Run(
        x: x, y: y, pool: context.pool,
        low: bounds[0] ?? low.map { Tensor(scalar: $0).converted(to: x.dtype) },
        high: bounds[1] ?? high.map { Tensor(scalar: $0).converted(to: x.dtype) }))
  }

  private struct Run: ArithmeticVisitor {
    let x: Tensor
    let y: Tensor
    let pool: ThreadPool
    let low: Tensor?
    let high: Tensor?

    func visit<T: ArithmeticElement>(_ type: T.Type) throws {
      for bound in [low, high] where bound.map({ $0.count != 1 }) ?? false {
        throw DataError("a bound is not a scalar")
      }
      let least = low.map { $0.pointer(as: type)[0] } ?? T.lowest
      let most = high.map { $0.pointer(as: type)[0] } ?? T.highest
      if let least = least as? Float, let most = most as? Float {
        UnaryKernel.map(x, y, pool) { ck_clip_f32($0, $1, $2, least, most) }
      } else {
        UnaryKernel.map(x, y, pool, from: type, to: type) { value in
          let raised = value < least ? least : value
          return raised > most ? most : raised
        }
      }
    }
  }
}

extension Clip: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let (g, d, x) = (context.graph, try context.gradient(), context.input(0))
    var results: [Value?] = [try context.masked(d, where: g.Equal(x, try context.output())), nil, nil]
    // A bound has the gradient of the elements that it has replaced.
    if context.wants(1) {
      results[1] = context.sum(
        try context.masked(d, where: g.Less(x, context.input(1))), from: try context.shape(0),
        to: try context.shape(1))
    }
    if context.wants(2) {
      results[2] = context.sum(
        try context.masked(d, where: g.Greater(x, context.input(2))), from: try context.shape(0),
        to: try context.shape(2))
    }
    return results
  }
}
