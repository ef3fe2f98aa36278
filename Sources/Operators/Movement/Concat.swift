import GraphIR

/// Inputs one after another along `axis`.
struct Concat: Operator {
  static let schema = Schema(
    "Concat", since: 4, inputs: ["inputs*: T"], outputs: ["concat_result: T"], types: ["T": .all],
    attributes: ["axis": .none])
  static let runsHalf = true
  static let movesElements = true
  let axis: Int

  init(_ attributes: Attributes) throws {
    axis = try attributes.required("axis", attributes.int("axis"))
    guard attributes.inputCount > 0 else { throw DataError("has no inputs") }
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let dtype = try inputs.dtype(0)
    let shapes = try inputs.types.indices.map { try inputs.shape($0) }
    guard let rank = shapes.lazy.compactMap({ $0?.count }).first else { return [TensorType(dtype, nil)] }
    let axis = try InferenceInputs.axis(self.axis, rank: rank)
    var result = Movement.unknown(rank)
    result[axis] = 0
    for shape in shapes {
      guard let shape else {
        result[axis] = .unknown
        continue
      }
      guard shape.count == rank else {
        throw DataError("inputs have rank \(rank) and \(shape.count), they must have one rank")
      }
      for i in 0..<rank {
        if i == axis {
          result[i] = result[i] + shape[i]
        } else if result[i] == .unknown || (result[i].value == nil && shape[i].value != nil) {
          result[i] = shape[i]
        } else if !result[i].agrees(with: shape[i]) {
          throw DataError("extents \(result[i]) and \(shape[i]) of axis \(i) differ")
        }
      }
    }
    if shapes.count == 1, let only = shapes[0] { result = only }
    return [TensorType(dtype, result)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    let axis = try InferenceInputs.axis(self.axis, rank: y.rank)
    let outer = Shape.count(Array(y.shape[..<axis]))
    let inner = Shape.count(Array(y.shape[(axis + 1)...]))
    let width = y.shape[axis] * inner
    var offset = 0
    for case let x? in inputs {
      let part = x.shape[axis] * inner
      guard offset + part <= width, x.count == outer * part else {
        throw DataError("input \(Shape.text(x.shape)) does not fit output \(Shape.text(y.shape))")
      }
      StridedCopy(shape: [outer, part], source: [part, 1], target: [width, 1]).run(
        from: x.pointer, to: y.pointer + offset * y.dtype.size, elementSize: y.dtype.size, context.pool)
      offset += part
    }
  }
}

extension Concat: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let (g, d) = (context.graph, try context.gradient())
    let axis = try InferenceInputs.axis(self.axis, rank: try context.outputShape().count)
    var start = 0
    return try context.node.inputs.indices.map { position in
      let extent = try context.shape(position)[axis]
      defer { start += extent }
      guard context.wants(position) else { return nil }
      return g.Slice(
        d, g.ints([start], "start"), g.ints([start + extent], "end"), g.ints([axis], "axis"))
    }
  }
}
