import GraphIR

/// The input with elements added (or, for negative pads, removed) before and after each axis: a constant, the
/// nearest edge, a mirror image without the edge, or the other end.
struct Pad: Operator {
  static let schema = Schema(
    "Pad", since: 19, inputs: ["data: T", "pads[1]?11: P", "constant_value?: T", "axes?: I"],
    outputs: ["output: T"], types: ["T": .all, "P": [.int64], "I": .indices],
    attributes: ["mode": .string("constant"), "pads": .none, "value": .none])
  static let runsHalf = true
  static let movesElements = true

  enum Mode: String { case constant, reflect, edge, wrap }

  let mode: Mode
  let pads: [Int]?
  let value: Float?

  init(_ attributes: Attributes) throws {
    let name = try attributes.string("mode") ?? "constant"
    guard let mode = Mode(rawValue: name) else {
      throw DataError("mode '\(name)' is not constant, reflect, edge or wrap")
    }
    self.mode = mode
    pads = try attributes.ints("pads", before: 11)
    try attributes.old("value", before: 11)
    value = try attributes.float("value")
    guard pads != nil || attributes.inputCount > 1 else { throw DataError("pads are missing") }
  }

  /// Pads before and after each axis.
  private func amounts(_ pads: [Int], _ axes: [Int]?, rank: Int) throws -> [(before: Int, after: Int)] {
    let axes = try axes.map { try Movement.axes($0, rank: rank) } ?? Array(0..<rank)
    guard pads.count == 2 * axes.count else {
      throw DataError("\(pads.count) pads do not fit \(axes.count) axes")
    }
    var result = [(before: Int, after: Int)](repeating: (0, 0), count: rank)
    for (position, axis) in axes.enumerated() {
      result[axis] = (pads[position], pads[axes.count + position])
    }
    // Sums of a few of these cannot overflow.
    if let bad = pads.first(where: { abs($0 / 4) > Int.max >> 8 }) {
      throw DataError("pad \(bad) is too large")
    }
    return result
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let data = try inputs.type(0)
    guard let shape = data.shape else { return [TensorType(data.dtype, nil)] }
    guard let pads = pads ?? inputs.ints(1), !inputs.has(3) || inputs.constant(3) != nil else {
      return [TensorType(data.dtype, Movement.unknown(shape.count))]
    }
    let amounts = try amounts(pads, inputs.ints(3), rank: shape.count)
    var result: [Dim] = []
    for (axis, amount) in amounts.enumerated() {
      guard let extent = shape[axis].value else {
        result.append(amount == (0, 0) ? shape[axis] : .unknown)
        continue
      }
      let left = extent + min(amount.before, 0) + min(amount.after, 0)
      guard left >= 0 else {
        throw DataError("pads \(amount.before) and \(amount.after) take more than axis \(axis)'s \(extent)")
      }
      guard left > 0 || mode == .constant || max(amount.before, amount.after) <= 0 else {
        throw DataError("mode \(mode.rawValue) has nothing to repeat on axis \(axis)")
      }
      result.append(.known(left + max(amount.before, 0) + max(amount.after, 0)))
    }
    return [try Movement.limited(data.dtype, result)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    let x = try Movement.input(inputs, 0)
    let amounts = try amounts(
      try pads ?? Movement.ints(inputs, 1) ?? [], try Movement.ints(inputs, 3), rank: x.rank)
    try Movement.check(y, is: zip(x.shape, amounts).map { $0 + $1.before + $1.after })
    if mode == .constant {
      try constant(x, y, amounts, Movement.optional(inputs, 2), context.pool)
      return
    }
    let maps = zip(x.shape, amounts).map { extent, amount in
      let first = max(0, -amount.before)
      let count = extent - first - max(0, -amount.after)
      return (0..<extent + amount.before + amount.after).map {
        first + source($0 - max(0, amount.before), count)
      }
    }
    IndexMapCopy(shape: x.shape, maps: maps)
      .run(from: x.pointer, to: y.pointer, elementSize: x.dtype.size, fill: nil, context.pool)
  }

  /// The position among `count` elements that stands at `position`, which may be outside.
  private func source(_ position: Int, _ count: Int) -> Int {
    if position >= 0 && position < count { return position }
    switch mode {
    case .constant, .edge: return position < 0 ? 0 : count - 1
    case .wrap: return (position % count + count) % count
    case .reflect:
      let period = 2 * (count - 1)
      if period == 0 { return 0 }
      let phase = (position % period + period) % period
      return phase < count ? phase : period - phase
    }
  }

  private func constant(
    _ x: Tensor, _ y: Tensor, _ amounts: [(before: Int, after: Int)], _ given: Tensor?, _ pool: ThreadPool
  ) throws {
    if let given, given.count != 1 {
      throw DataError("constant_value \(Shape.text(given.shape)) is not one element")
    }
    y.fill(with: given ?? Tensor(scalar: value ?? 0).converted(to: y.dtype))
    let from = Shape.strides(x.shape)
    let to = Shape.strides(y.shape)
    var (a, b) = (0, 0)
    var shape: [Int] = []
    for (axis, amount) in amounts.enumerated() {
      a += max(0, -amount.before) * from[axis]
      b += max(0, amount.before) * to[axis]
      shape.append(x.shape[axis] + min(amount.before, 0) + min(amount.after, 0))
    }
    if shape.contains(where: { $0 <= 0 }) { return }
    let size = x.dtype.size
    StridedCopy(shape: shape, source: from, target: to)
      .run(from: x.pointer + a * size, to: y.pointer + b * size, elementSize: size, pool)
  }
}

extension Pad: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    guard mode == .constant else { throw DataError("has no gradient in mode \(mode.rawValue)") }
    try context.requireOpset(11)
    let (g, rank) = (context.graph, try context.shape(0).count)
    let amounts = try amounts(pads ?? context.ints(1) ?? [], context.ints(3), rank: rank)
    guard !context.wants(2) else { throw DataError("has no gradient for the constant") }
    let cut = amounts.map { -$0.before } + amounts.map { -$0.after }
    return [g.Pad(try context.gradient(), g.ints(cut, "pads"))]
  }
}
