import GraphIR

/// The axes that a reduction folds: an attribute in old forms, an input in new ones.
struct ReductionAxes: Sendable {
  let attribute: [Int]?
  let keepsDims: Bool
  /// Whether absent or empty axes leave the tensor as it is, instead of reducing all of it.
  let emptyMeansNone: Bool

  init(_ attributes: Attributes) throws {
    attribute = try attributes.ints("axes")
    keepsDims = try attributes.int("keepdims") ?? 1 != 0
    emptyMeansNone = try attributes.bool("noop_with_empty_axes")
    if attribute != nil, attributes.inputCount > 1 {
      throw DataError("axes are given both as an attribute and as an input")
    }
  }

  /// Which of `rank` axes are folded.
  /// - Throws: `DataError` for an axis out of range.
  func flags(_ axes: [Int], rank: Int) throws -> [Bool] {
    if axes.isEmpty { return [Bool](repeating: !emptyMeansNone, count: rank) }
    var flags = [Bool](repeating: false, count: rank)
    for axis in axes { flags[try InferenceInputs.axis(axis, rank: rank)] = true }
    return flags
  }

  /// The type of the result.
  func infer(_ inputs: InferenceInputs) throws -> TensorType {
    let dtype = try inputs.dtype(0)
    guard let shape = try inputs.shape(0) else { return TensorType(dtype, nil as [Dim]?) }
    if inputs.has(1), inputs.ints(1) == nil {
      // The axes are not known: the shape is, when there are none or when the rank stays.
      if try inputs.shape(1)?.contains(where: { $0.value == 0 }) ?? false {
        return try result(dtype, shape, [])
      }
      return TensorType(dtype, keepsDims ? shape.map { _ in .unknown } : nil)
    }
    return try result(dtype, shape, inputs.ints(1) ?? attribute ?? [])
  }

  private func result(_ dtype: DType, _ shape: [Dim], _ axes: [Int]) throws -> TensorType {
    let flags = try flags(axes, rank: shape.count)
    var dims: [Dim] = []
    for (dim, isReduced) in zip(shape, flags) {
      if !isReduced { dims.append(dim) } else if keepsDims { dims.append(1) }
    }
    return TensorType(dtype, dims)
  }

  /// The axes of a run.
  func axes(_ inputs: [Tensor?]) -> [Int] {
    let given = inputs.count > 1 ? inputs[1] : nil
    return given?.converted(to: .int64).array(of: Int64.self).map { Int($0) } ?? attribute ?? []
  }
}

extension ReductionAxes {
  /// What gradients of reductions are made of: the gradient and the result, with the folded axes kept as 1, and how
  /// many elements were folded into one.
  func differentiated(_ context: GradientContext) throws -> (d: Value, y: Value, count: Int, isWhole: Bool) {
    let shape = try context.shape(0)
    let flags = try flags(try context.ints(1) ?? attribute ?? [], rank: shape.count)
    let kept = zip(shape, flags).map { $1 ? 1 : $0 }
    let count = zip(shape, flags).reduce(1) { $0 * ($1.1 ? $1.0 : 1) }
    let (d, y) = (try context.gradient(), try context.output())
    let hasKept = try context.outputShape() == kept
    return (
      hasKept ? d : context.reshape(d, kept), hasKept ? y : context.reshape(y, kept), count,
      !flags.contains(true)
    )
  }
}
