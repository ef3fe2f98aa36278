import GraphIR

/// A pool that folds windows, element by element.
protocol FoldingPool: Operator {
  associatedtype Fold: PoolFold
  var window: PoolWindow { get }
  var fold: Fold { get }
}

extension FoldingPool {
  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    [TensorType(try inputs.dtype(0), try inputs.shape(0).map(window.shape))]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    try Pool.fold(fold, inputs, outputs, try window.axes(inputs[0]?.shape ?? []), context)
  }
}

/// Means of windows; padding counts as zeros with `count_include_pad`, else it does not count.
struct AveragePool: FoldingPool {
  static let schema = Schema(
    "AveragePool", since: 22, inputs: ["X: T"], outputs: ["Y: T"], types: ["T": .floats],
    attributes: PoolWindow.attributes.merging(["count_include_pad": .int(0)]) { $1 })

  let window: PoolWindow
  let fold: AverageFold

  init(_ attributes: Attributes) throws {
    window = try PoolWindow(attributes)
    fold = AverageFold(countsPadding: try attributes.bool("count_include_pad"))
  }
}

/// p-norms of windows, (Σ |x|ᵖ)^(1/p).
struct LpPool: FoldingPool {
  static let schema = Schema(
    "LpPool", since: 22, inputs: ["X: T"], outputs: ["Y: T"], types: ["T": .floats],
    attributes: PoolWindow.attributes.merging(["p": .int(2)]) { $1 })

  let window: PoolWindow
  let fold: LpFold

  init(_ attributes: Attributes) throws {
    window = try PoolWindow(attributes)
    fold = try Pool.norm(attributes)
  }
}

/// What the pooling operators share.
enum Pool {
  /// - Throws: `DataError` when `p` is not positive.
  static func norm(_ attributes: Attributes) throws -> LpFold {
    let p = try attributes.int("p") ?? 2
    guard p > 0 else { throw DataError("p is \(p)") }
    return LpFold(p: Double(p))
  }

  /// Folds windows of input 0 into output 0.
  static func fold(
    _ fold: some PoolFold, _ inputs: [Tensor?], _ outputs: [Tensor?], _ axes: [PoolAxis],
    _ context: RunContext
  ) throws {
    guard let x = inputs[0], let y = outputs[0], y.count > 0 else { return }
    let kernel = PoolKernel(planes: x.shape[0] * x.shape[1], axes: axes)
    switch x.dtype {
    case .float32:
      kernel.fold(fold, x.pointer(as: Float.self), y.pointer(as: Float.self), context.pool)
    case .float64:
      kernel.fold(fold, x.pointer(as: Double.self), y.pointer(as: Double.self), context.pool)
    default: throw DataError("cannot pool \(x.dtype)")
    }
  }

  /// One axis that a single window covers: all spatial axes of `shape` in one.
  static func whole(_ shape: [Int]) -> [PoolAxis] {
    let count = Shape.count(Array(shape.dropFirst(2)))
    return [PoolAxis(input: count, kernel: count)]
  }

  /// `[N, C, 1, …]`.
  static func globalType(_ inputs: InferenceInputs) throws -> [TensorType] {
    let dtype = try inputs.dtype(0)
    guard let x = try inputs.shape(0) else { return [TensorType(dtype, nil as [Dim]?)] }
    guard x.count >= 2 else { throw DataError("the input has rank \(x.count), at least 2 is needed") }
    return [TensorType(dtype, x.prefix(2) + x.dropFirst(2).map { _ in 1 })]
  }
}
