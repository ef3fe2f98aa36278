import GraphIR

/// The mean of each channel.
struct GlobalAveragePool: Operator {
  static let schema = Schema(
    "GlobalAveragePool", since: 22, inputs: ["X: T"], outputs: ["Y: T"], types: ["T": .floats])

  init(_ attributes: Attributes) throws {}

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] { try Pool.globalType(inputs) }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    let axes = Pool.whole(inputs[0]?.shape ?? [])
    try Pool.fold(AverageFold(countsPadding: false), inputs, outputs, axes, context)
  }
}

/// The p-norm of each channel.
struct GlobalLpPool: Operator {
  static let schema = Schema(
    "GlobalLpPool", since: 22, inputs: ["X: T"], outputs: ["Y: T"], types: ["T": .floats],
    attributes: ["p": .int(2)])

  let fold: LpFold

  init(_ attributes: Attributes) throws { fold = try Pool.norm(attributes) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] { try Pool.globalType(inputs) }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    try Pool.fold(fold, inputs, outputs, Pool.whole(inputs[0]?.shape ?? []), context)
  }
}

/// The largest element of each channel.
struct GlobalMaxPool: Operator {
  static let schema = Schema(
    "GlobalMaxPool", since: 22, inputs: ["X: T"], outputs: ["Y: T"], types: ["T": .floats])

  init(_ attributes: Attributes) throws {}

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] { try Pool.globalType(inputs) }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    let axes = Pool.whole(inputs[0]?.shape ?? [])
    try MaxPool.run(inputs, outputs, axes, columnMajor: false, context)
  }
}

extension GlobalAveragePool: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let shape = try context.shape(0)
    let count = Shape.count(Array(shape[2...]))
    let share = context.graph.Div(try context.gradient(), try context.number(Double(count)))
    return [context.spread(share, shape)]
  }
}
