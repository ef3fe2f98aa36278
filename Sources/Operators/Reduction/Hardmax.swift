import GraphIR

/// 1 at the first largest element along an axis, 0 elsewhere; before opset 13, along all axes from `axis`.
struct Hardmax: Operator {
  static let schema = Schema.map("Hardmax", since: 13, attributes: ["axis": .none])
  let axis: SoftmaxAxis

  init(_ attributes: Attributes) throws { axis = try SoftmaxAxis(attributes) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let type = try inputs.type(0)
    if let rank = type.rank { _ = try axis.check(rank) }
    return [type]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = outputs[0], x.count > 0 else { return }
    let (outer, length, inner) = try axis.extents(x.shape)
    let places = Tensor(.int64, [outer, inner])
    try ArgExtremeKernel.run(
      x, places, outer: outer, axis: length, inner: inner, largest: true, last: false, context.pool)
    try y.dtype.visit(Mark(y: y, places: places.array(), length: length, inner: inner))
  }

  private struct Mark: ArithmeticVisitor {
    let y: Tensor
    let places: [Int64]
    let length: Int
    let inner: Int

    func visit<T: ArithmeticElement>(_ type: T.Type) {
      let target = y.pointer(as: type)
      target.update(repeating: .zero, count: y.count)
      for (item, place) in places.enumerated() {
        target[(item / inner * length + Int(place)) * inner + item % inner] = .one
      }
    }
  }
}
