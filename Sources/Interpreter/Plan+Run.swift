import GraphIR

extension Plan {
  /// Runs the graph once.
  /// - Parameters:
  ///   - inputs: a tensor for each input of the plan's graph, of the planned types.
  ///   - position: where in a sweep this run is; handed to hooks.
  /// - Returns: the outputs by name, in memory of their own.
  /// - Throws: `DataError` that names the node, its operator, the shapes and the reason.
  public func run(
    _ inputs: [String: Tensor], at position: SweepPosition = SweepPosition(),
    profile: Profile? = nil
  ) throws -> [String: Tensor] {
    try Storage.checkFits(peakBytes, "a run, beside its weights,")
    var values = initial
    for input in graph.inputs {
      guard let tensor = inputs[input.name] else { throw DataError("missing input '\(input.name)'") }
      let given = TensorType(tensor.dtype, tensor.shape)
      if let planned = inputTypes[input.name], !given.agrees(with: planned) {
        throw DataError("input '\(input.name)' is \(given), the plan is for \(planned)")
      }
      values[slots[input.name]!] = tensor
    }
    for step in steps {
      for slot in step.allocates {
        let type = outputTypes[slot]!
        values[slot] = Tensor(type.dtype, type.concreteShape!)
      }
      do {
        let start = profile.map { _ in ContinuousClock.now }
        try run(step, &values)
        if let start { profile?.record(step.node, step.multiplyAdds, since: start) }
        for attachment in step.attachments { try call(attachment, &values, position) }
      } catch let error as DataError {
        let shown = step.inputs.map { slot in
          slot < 0 ? "–" : values[slot].map { "\($0.dtype)\(Shape.text($0.shape))" } ?? "?"
        }.joined(separator: ", ")
        throw DataError("\(step.node.label) with inputs (\(shown)): \(error.message)")
      }
      for slot in step.releases { values[slot] = nil }
    }
    var results: [String: Tensor] = [:]
    for output in graph.outputs {
      let slot = slots[output.name]!
      // An output that no step makes is an input or a constant.
      results[output.name] = made.contains(slot) ? values[slot] : values[slot]?.copy()
    }
    return results
  }

  private func run(_ step: Step, _ values: inout [Tensor?]) throws {
    let inputs = step.inputs.map { $0 < 0 ? nil : values[$0] }
    if let bodies = step.bodies {
      let outputs = try bodies.run(step.op, inputs, values)
      for (slot, tensor) in zip(step.outputs, outputs) where slot >= 0 { values[slot] = tensor }
      return
    }
    if step.isDynamic {
      let outputs = try step.op.runAllocating(inputs, outputCount: step.outputs.count, pool: pool)
      for (slot, tensor) in zip(step.outputs, outputs) where slot >= 0 {
        values[slot] = step.copiesView ? tensor?.copy() : tensor
      }
      return
    }
    if let shape = step.viewShape {
      values[step.outputs[0]] = inputs[0]!.reshaped(shape)
      return
    }
    let outputs = step.outputs.map { $0 < 0 ? nil : values[$0] }
    if step.op.aliasing == .view {
      outputs[0]!.assign(inputs[0]!)
      return
    }
    try step.op.runWidened(
      inputs, into: outputs,
      RunContext(pool: pool, workspace: .init(start: workspace.base, count: workspace.byteCount)))
  }

  private func call(
    _ attachment: Attachment, _ values: inout [Tensor?], _ position: SweepPosition
  ) throws {
    let slots = attachment.values.map { self.slots[$0]! }
    var seen = slots.map { values[$0]! }
    try attachment.hook.didRun(attachment.node, &seen, at: position)
    guard attachment.alters else { return }
    guard seen.count == slots.count else {
      throw DataError("hook \(attachment.hook.name) gave back \(seen.count) values of \(slots.count)")
    }
    let before = slots.map { values[$0]! }
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
      values[slots[position]] = tensor.copy()
    }
  }
}
