import GraphIR

/// Takes axes of extent 1 away: those named, or all of them.
struct Squeeze: Operator {
  static let schema = Schema(
    "Squeeze", since: 13, inputs: ["data: T", "axes?: A"], outputs: ["squeezed: T"],
    types: ["T": .storable, "A": [.int64]], attributes: ["axes": .none])
  static let runsHalf = true
  static let movesElements = true
  let aliasing = Aliasing.view
  let axes: [Int]?

  init(_ attributes: Attributes) throws { axes = try attributes.ints("axes", before: 13) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let data = try inputs.type(0)
    guard let shape = data.shape else { return [TensorType(data.dtype, nil)] }
    if let axes = axes ?? inputs.ints(1) {
      let gone = try Movement.axes(axes, rank: shape.count)
      for axis in gone where !shape[axis].agrees(with: 1) {
        throw DataError("axis \(axis) has extent \(shape[axis]), only 1 can be squeezed")
      }
      return [TensorType(data.dtype, shape.indices.filter { !gone.contains($0) }.map { shape[$0] })]
    }
    if inputs.has(1) {
      let left = try Movement.length(inputs, 1).map { shape.count - $0 }
      return [TensorType(data.dtype, left.flatMap { $0 < 0 ? nil : Movement.unknown($0) })]
    }
    // An extent that is not known yet may turn out to be 1.
    guard shape.allSatisfy({ $0.value != nil }) else { return [TensorType(data.dtype, nil)] }
    return [TensorType(data.dtype, shape.filter { $0 != 1 })]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    outputs[0]?.assign(try Movement.input(inputs, 0))
  }
}

/// Puts axes of extent 1 in, so that they are the named ones of the result.
struct Unsqueeze: Operator {
  static let schema = Schema(
    "Unsqueeze", since: 13, inputs: ["data: T", "axes?13: A"], outputs: ["expanded: T"],
    types: ["T": .storable, "A": [.int64]], attributes: ["axes": .none])
  static let runsHalf = true
  static let movesElements = true
  let aliasing = Aliasing.view
  let axes: [Int]?

  init(_ attributes: Attributes) throws {
    axes = try attributes.ints("axes", before: 13)
    guard axes != nil || attributes.inputCount > 1 else { throw DataError("axes are missing") }
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let data = try inputs.type(0)
    guard let shape = data.shape else { return [TensorType(data.dtype, nil)] }
    guard let axes = axes ?? inputs.ints(1) else {
      let more = try Movement.length(inputs, 1)
      return [TensorType(data.dtype, more.map { Movement.unknown(shape.count + $0) })]
    }
    let new = Set(try Movement.axes(axes, rank: shape.count + axes.count))
    var rest = shape.makeIterator()
    let result = (0..<shape.count + axes.count).map { new.contains($0) ? Dim.known(1) : rest.next()! }
    return [TensorType(data.dtype, result)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    outputs[0]?.assign(try Movement.input(inputs, 0))
  }
}

extension Squeeze: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    [context.reshape(try context.gradient(), try context.shape(0))]
  }
}

extension Unsqueeze: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    [context.reshape(try context.gradient(), try context.shape(0))]
  }
}
