import GraphIR

extension Plan {
  /// Runs the graph once.
  /// - Parameters:
  ///   - inputs: a tensor for each input of the plan's graph, of the planned types.
  ///   - position: where in a sweep this run is; handed to hooks.
  ///   - cancellation: ends the run with a `CancellationError`; what it has computed is lost.
  /// - Returns: the outputs by name, in memory of their own.
  /// - Throws: `DataError` that names the node, its operator, the shapes and the reason; also when an output is no
  ///   tensor.
  public func run(
    _ inputs: [String: Tensor], at position: SweepPosition = SweepPosition(),
    profile: Profile? = nil, cancellation: Cancellation? = nil
  ) throws -> [String: Tensor] {
    let results = try runValues(
      inputs.mapValues(RuntimeValue.tensor), at: position, profile: profile, cancellation: cancellation)
    return try results.reduce(into: [:]) { tensors, result in
      guard let tensor = result.value.tensor else {
        throw DataError("output '\(result.key)' is \(result.value.label), not a tensor")
      }
      tensors[result.key] = tensor
    }
  }

  /// Runs the graph once, with sequences and optionals among its inputs and outputs.
  public func runValues(
    _ inputs: [String: RuntimeValue], at position: SweepPosition = SweepPosition(),
    profile: Profile? = nil, cancellation: Cancellation? = nil
  ) throws -> [String: RuntimeValue] {
    try Storage.checkFits(peakBytes, "a run, beside its weights,")
    var values = initial
    for input in graph.inputs {
      guard let value = inputs[input.name] else { throw DataError("missing input '\(input.name)'") }
      if let planned = inputTypes[input.name] {
        let given = value.tensor.map { TensorType($0.dtype, $0.shape) }
        guard given?.agrees(with: planned) ?? false else {
          throw DataError("input '\(input.name)' is \(value.label), the plan is for \(planned)")
        }
      }
      values[slots[input.name]!] = value
    }
    for step in steps {
      try cancellation?.check()
      for slot in step.allocates {
        let type = outputTypes[slot]!
        values[slot] = .tensor(Tensor(type.dtype, type.concreteShape!))
      }
      do {
        profile?.begin(step.label)
        try run(step, &values, profile)
        profile?.end(step.label, step.multiplyAdds, step.bytes) {
          step.outputs.map { $0 < 0 ? "–" : values[$0]?.label ?? "–" }
        }
        for attachment in step.attachments { try call(attachment, &values, position) }
      } catch let error as DataError {
        let shown = step.inputs.map { $0 < 0 ? "–" : values[$0]?.label ?? "?" }.joined(separator: ", ")
        throw DataError("\(step.node.label) with inputs (\(shown)): \(error.message)")
      }
      if releasesWeights {
        for slot in step.inputs where slot >= 0 { values[slot]?.tensor?.releasePages() }
      }
      for slot in step.releases { values[slot] = nil }
    }
    var results: [String: RuntimeValue] = [:]
    for output in graph.outputs {
      let slot = slots[output.name]!
      // An output that no step makes is an input or a constant.
      results[output.name] = made.contains(slot) ? values[slot] : values[slot]?.copy()
    }
    return results
  }

  private func run(_ step: Step, _ values: inout [RuntimeValue?], _ profile: Profile?) throws {
    if let fixed = step.fixed {
      if step.viewShape != nil { return }
      if step.op.aliasing == .view { return fixed.outputs[0]!.assign(fixed.inputs[0]!) }
      return try step.op.runWidened(
        fixed.inputs, into: fixed.outputs,
        RunContext(pool: pool, workspace: .init(start: workspace.base, count: workspace.byteCount)))
    }
    let given = step.inputs.map { $0 < 0 ? nil : values[$0] }
    if let bodies = step.bodies {
      let outputs = try bodies.run(step.op, given, values, profile)
      for (slot, value) in zip(step.outputs, outputs) where slot >= 0 { values[slot] = value }
      return
    }
    if step.isDynamic, type(of: step.op).passesContainers, let value = given[0], value.tensor == nil {
      values[step.outputs[0]] = value
      return
    }
    let inputs = try given.map { value in
      guard let value, value.tensor == nil else { return value?.tensor }
      throw DataError("an input is \(value.label), not a tensor")
    }
    if step.isDynamic {
      let outputs = try step.op.runAllocating(inputs, outputCount: step.outputs.count, pool: pool)
      for (slot, tensor) in zip(step.outputs, outputs) where slot >= 0 {
        values[slot] = (step.copiesView ? tensor?.copy() : tensor).map(RuntimeValue.tensor)
      }
      return
    }
    if let shape = step.viewShape {
      values[step.outputs[0]] = .tensor(inputs[0]!.reshaped(shape))
      return
    }
    let outputs = step.outputs.map { $0 < 0 ? nil : values[$0]?.tensor }
    if step.op.aliasing == .view {
      outputs[0]!.assign(inputs[0]!)
      return
    }
    try step.op.runWidened(
      inputs, into: outputs,
      RunContext(pool: pool, workspace: .init(start: workspace.base, count: workspace.byteCount)))
  }

  private func call(
    _ attachment: Attachment, _ values: inout [RuntimeValue?], _ position: SweepPosition
  ) throws {
    let slots = attachment.values.map { self.slots[$0]! }
    let before = try zip(attachment.values, slots).map { name, slot in
      guard let tensor = values[slot]?.tensor else {
        throw DataError("hook \(attachment.hook.name) wants '\(name)', which is not a tensor")
      }
      return tensor
    }
    var seen = before
    try attachment.hook.didRun(attachment.node, &seen, at: position)
    guard attachment.alters else { return }
    guard seen.count == slots.count else {
      throw DataError("hook \(attachment.hook.name) gave back \(seen.count) values of \(slots.count)")
    }
    for (position, (current, tensor)) in zip(before, seen).enumerated() {
      guard tensor.dtype == current.dtype, tensor.shape == current.shape else {
        throw DataError(
          "hook \(attachment.hook.name) put \(tensor.dtype)\(Shape.text(tensor.shape)) in place of "
            + "\(current.dtype)\(Shape.text(current.shape))")
      }
      // A tensor of its own: the old bytes may belong to other values as well, views, inputs or constants.
      guard tensor.pointer != current.pointer else { continue }
      guard position >= attachment.inputCount else {
        throw DataError("hook \(attachment.hook.name) may not replace an input of the node")
      }
      values[slots[position]] = .tensor(tensor.copy())
    }
  }
}
