import TensorCore

extension Operator {
  /// Infers from the values themselves, allocates the outputs and runs.
  /// - Parameter outputCount: how many outputs are wanted; fewer where the operator knows them without running.
  public func runAllocating(_ inputs: [Tensor?], outputCount: Int, pool: ThreadPool) throws -> [Tensor?] {
    let types = inputs.map { $0.map { TensorType($0.dtype, $0.shape) } }
    let request = InferenceInputs(types, constants: inputs, outputCount: outputCount)
    if let known = knownOutputs(request) { return known }
    let outputs: [Tensor?] = try outputTypes(inputs, outputCount: outputCount).map {
      Tensor($0.dtype, $0.concreteShape!)
    }
    if aliasing == .view, let source = inputs.first ?? nil, let output = outputs.first ?? nil {
      return [source.reshaped(output.shape)]
    }
    let scratch = Storage(byteCount: workspace(types, threads: pool.threadCount))
    // The context holds the memory by its address alone.
    try withExtendedLifetime(scratch) {
      try runWidened(
        inputs, into: outputs,
        RunContext(pool: pool, workspace: .init(start: scratch.base, count: scratch.byteCount)))
    }
    return outputs
  }

  /// The types of the outputs for these very inputs.
  /// - Throws: `DataError` when they do not follow, or one is larger than the machine's memory.
  public func outputTypes(_ inputs: [Tensor?], outputCount: Int) throws -> [TensorType] {
    let types = inputs.map { $0.map { TensorType($0.dtype, $0.shape) } }
    let request = InferenceInputs(types, constants: inputs, outputCount: outputCount)
    let inferred = Array(try infer(request).prefix(outputCount))
    for type in inferred {
      if type.isTooLarge { throw DataError("output \(type) is too large") }
      guard let bytes = type.byteCount else {
        throw DataError("the shape of an output is not known even at run time")
      }
      try Storage.checkFits(bytes, "an output \(type)")
    }
    return inferred
  }
}
