import GraphIR

/// Largest elements of windows, and optionally where in the whole input each is; padding never counts.
struct MaxPool: Operator {
  static let schema = Schema(
    "MaxPool", since: 22, inputs: ["X: T"], outputs: ["Y: T", "Indices?: I"],
    types: ["T": .floats.union([.int8, .uint8]), "I": [.int64]],
    attributes: PoolWindow.attributes.merging(["storage_order": .int(0)]) { $1 })

  let window: PoolWindow
  let columnMajor: Bool

  init(_ attributes: Attributes) throws {
    window = try PoolWindow(attributes)
    columnMajor = try attributes.bool("storage_order")
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let shape = try inputs.shape(0).map(window.shape)
    return [TensorType(try inputs.dtype(0), shape), TensorType(.int64, shape)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    let axes = try window.axes(inputs[0]?.shape ?? [])
    try MaxPool.run(inputs, outputs, axes, columnMajor: columnMajor, context)
  }

  static func run(
    _ inputs: [Tensor?], _ outputs: [Tensor?], _ axes: [PoolAxis], columnMajor: Bool,
    _ context: RunContext
  ) throws {
    let indices = outputs.count > 1 ? outputs[1] : nil
    guard let x = inputs[0], (outputs[0] ?? indices)?.count ?? 0 > 0 else { return }
    let kernel = PoolKernel(planes: x.shape[0] * x.shape[1], axes: axes)
    func run<T: ArithmeticElement>(_ type: T.Type) {
      kernel.largest(
        x.pointer(as: type), outputs[0]?.pointer(as: type), indices?.pointer(as: Int64.self),
        columnMajor: columnMajor, context.pool)
    }
    switch x.dtype {
    case .float32: run(Float.self)
    case .float64: run(Double.self)
    case .int8: run(Int8.self)
    case .uint8: run(UInt8.self)
    default: throw DataError("cannot pool \(x.dtype)")
    }
  }
}
