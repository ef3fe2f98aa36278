import GraphIR

/// `data[starts:ends:steps]` along some axes, with numpy's clamping and negative steps.
struct SliceOperator: Operator {
  static let schema = Schema(
    "Slice", since: 13, inputs: ["data: T", "starts?10: I", "ends?10: I", "axes?: I", "steps?: I"],
    outputs: ["output: T"], types: ["T": .all, "I": .indices],
    attributes: ["starts": .none, "ends": .none, "axes": .none])
  static let runsHalf = true
  static let movesElements = true
  let starts, ends, axes: [Int]?

  init(_ attributes: Attributes) throws {
    starts = try attributes.ints("starts", before: 10)
    ends = try attributes.ints("ends", before: 10)
    axes = try attributes.ints("axes", before: 10)
    guard starts != nil && ends != nil || attributes.inputCount > 2 else {
      throw DataError("starts or ends are missing")
    }
  }

  /// What is taken along one axis: `count` positions from `start` in steps of `step`.
  struct Span: Equatable {
    let start, count, step: Int

    init(start: Int, end: Int, step: Int, extent: Int) throws {
      guard step != 0 else { throw DataError("a step is 0") }
      self.step = step
      let low = step > 0 ? 0 : -1
      let high = step > 0 ? extent : extent - 1
      func clamp(_ bound: Int) -> Int { min(max(bound < 0 ? bound + extent : bound, low), high) }
      self.start = step > 0 ? clamp(start) : max(clamp(start), min(0, high))
      let distance = step > 0 ? clamp(end) - self.start : self.start - clamp(end)
      count = extent == 0 || distance <= 0 ? 0 : (distance - 1) / Int(clamping: step.magnitude) + 1
    }
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let data = try inputs.type(0)
    guard var shape = data.shape else { return [TensorType(data.dtype, nil)] }
    let starts = self.starts ?? inputs.ints(1)
    let ends = self.ends ?? inputs.ints(2)
    let steps = inputs.has(4) ? inputs.ints(4) : nil
    var axes = self.axes ?? inputs.ints(3)
    if axes == nil, !inputs.has(3), let count = try starts?.count ?? ends?.count ?? Movement.length(inputs, 1)
    {
      axes = Array(0..<count)
    }
    guard let axes else { return [TensorType(data.dtype, Movement.unknown(shape.count))] }
    let normal = try Movement.axes(axes, rank: shape.count)
    guard let starts, let ends, steps != nil || !inputs.has(4) else {
      for axis in normal { shape[axis] = .unknown }
      return [TensorType(data.dtype, shape)]
    }
    try check(starts, ends, axes, steps)
    for (position, axis) in normal.enumerated() {
      let step = steps?[position] ?? 1
      if let extent = shape[axis].value {
        let span = try Span(start: starts[position], end: ends[position], step: step, extent: extent)
        shape[axis] = .known(span.count)
      } else if !(starts[position] == 0 && ends[position] >= Int(Int32.max) && step == 1) {
        shape[axis] = .unknown
      }
    }
    return [TensorType(data.dtype, shape)]
  }

  private func check(_ starts: [Int], _ ends: [Int], _ axes: [Int], _ steps: [Int]?) throws {
    guard starts.count == ends.count, starts.count == axes.count, steps?.count ?? axes.count == axes.count
    else {
      throw DataError(
        "starts, ends, axes and steps have \(starts.count), \(ends.count), \(axes.count) and "
          + "\(steps?.count ?? axes.count) elements")
    }
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    let x = try Movement.input(inputs, 0)
    let starts = try self.starts ?? Movement.ints(inputs, 1) ?? []
    let ends = try self.ends ?? Movement.ints(inputs, 2) ?? []
    let axes = try Movement.axes(
      try self.axes ?? Movement.ints(inputs, 3) ?? Array(starts.indices), rank: x.rank)
    let steps = try Movement.ints(inputs, 4)
    try check(starts, ends, axes, steps)
    var shape = x.shape
    var strides = Shape.strides(x.shape)
    var offset = 0
    for (position, axis) in axes.enumerated() {
      let span = try Span(
        start: starts[position], end: ends[position], step: steps?[position] ?? 1, extent: shape[axis])
      shape[axis] = span.count
      if span.count > 0 { offset += span.start * strides[axis] }
      // A step beyond the extent is never taken.
      strides[axis] = strides[axis] &* span.step
    }
    try Movement.check(y, is: shape)
    if y.count == 0 { return }
    StridedCopy(shape: shape, source: strides).run(
      from: x.pointer + offset * x.dtype.size, to: y.pointer, elementSize: x.dtype.size, context.pool)
  }
}

extension SliceOperator: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let g = context.graph
    let shape = try context.shape(0)
    let starts = try self.starts ?? context.ints(1) ?? []
    let ends = try self.ends ?? context.ints(2) ?? []
    let axes = try Movement.axes(
      try self.axes ?? context.ints(3) ?? Array(starts.indices), rank: shape.count)
    let steps = try context.ints(4) ?? starts.map { _ in 1 }
    try context.requireOpset(11)
    var d = try context.gradient()
    var current = try context.outputShape()
    if current.contains(0) { return [try context.zeros(shape)] }
    for (position, axis) in axes.enumerated() {
      let span = try Span(
        start: starts[position], end: ends[position], step: steps[position], extent: shape[axis])
      guard span.count < shape[axis] || span.step < 0 else { continue }
      var first = span.start
      if span.step < 0 {
        d = g.Slice(
          d, g.ints([-1], "start"), g.ints([Int(Int32.min)], "end"), g.ints([axis], "axis"),
          g.ints([-1], "step"))
        first += span.step * (span.count - 1)
      }
      let step = span.count == 1 ? 1 : abs(span.step)
      if step > 1 {
        // Each element becomes the first of as many as a step is wide; of the last one the zeros are cut again.
        let parted = context.reshape(d, current[...axis] + [1] + current[(axis + 1)...])
        let wide = try pad(context, parted, axis + 1, 0, step - 1, rank: shape.count + 1)
        current[axis] *= step
        d = context.reshape(wide, current)
      }
      d = try pad(context, d, axis, first, shape[axis] - first - current[axis], rank: shape.count)
      current[axis] = shape[axis]
    }
    return [d]
  }

  /// Zeros around an axis; negative numbers cut.
  private func pad(
    _ context: GradientContext, _ value: Value, _ axis: Int, _ before: Int, _ after: Int, rank: Int
  ) throws -> Value {
    if before == 0, after == 0 { return value }
    var pads = [Int](repeating: 0, count: 2 * rank)
    pads[axis] = before
    pads[rank + axis] = after
    return context.graph.Pad(value, context.graph.ints(pads, "pads"))
  }
}
