import GraphIR

/// Channels become blocks of pixels: `[n, c·b², h, w]` to `[n, c, h·b, w·b]`. In mode DCR the block is the
/// slower part of the channel axis, in mode CRD the faster one.
struct DepthToSpace: Operator {
  static let schema = Schema(
    "DepthToSpace", since: 13, inputs: ["input: T"], outputs: ["output: T"], types: ["T": .all],
    attributes: ["blocksize": .none, "mode": .string("DCR")])
  static let runsHalf = true
  static let movesElements = true
  let block: Int
  let depthFirst: Bool

  init(_ attributes: Attributes) throws {
    block = try Blocks.size(attributes)
    depthFirst = try Blocks.isDepthFirst(attributes)
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let type = try inputs.type(0)
    guard let shape = try Blocks.shape(type) else { return [TensorType(type.dtype, Movement.unknown(4))] }
    if let channels = shape[1].value, channels % (block * block) != 0 {
      throw DataError("\(channels) channels are not a multiple of \(block)²")
    }
    return [
      TensorType(
        type.dtype,
        [
          shape[0], shape[1].map { $0 / (block * block) }, shape[2] * .known(block), shape[3] * .known(block),
        ])
    ]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    let x = try Movement.input(inputs, 0)
    let (n, c, h, w) = (y.shape[0], y.shape[1], x.shape[2], x.shape[3])
    guard y.count == x.count else { throw DataError("input \(Shape.text(x.shape)) does not fit the output") }
    let plane = h * w
    let (channel, row, column) =
      depthFirst
      ? (plane, block * c * plane, c * plane) : (block * block * plane, block * plane, plane)
    // Output axes [n, c, h, row, w, column].
    StridedCopy(
      shape: [n, c, h, block, w, block],
      source: [block * block * c * plane, channel, w, row, 1, column]
    ).run(from: x.pointer, to: y.pointer, elementSize: x.dtype.size, context.pool)
  }
}

/// Blocks of pixels become channels: `[n, c, h·b, w·b]` to `[n, b²·c, h, w]`. In mode DCR the block is the slower part
/// of the channel axis, in mode CRD the faster one.
struct SpaceToDepth: Operator {
  static let schema = Schema(
    "SpaceToDepth", since: 28, inputs: ["input: T"], outputs: ["output: T"], types: ["T": .all],
    attributes: ["blocksize": .none, "mode": .string("DCR")])
  static let runsHalf = true
  let block: Int
  let depthFirst: Bool

  init(_ attributes: Attributes) throws {
    block = try Blocks.size(attributes)
    depthFirst = try Blocks.isDepthFirst(attributes)
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let type = try inputs.type(0)
    guard let shape = try Blocks.shape(type) else { return [TensorType(type.dtype, Movement.unknown(4))] }
    for extent in shape[2...].compactMap(\.value) where extent % block != 0 {
      throw DataError("extent \(extent) is not a multiple of \(block)")
    }
    return [
      TensorType(
        type.dtype,
        [
          shape[0], shape[1] * .known(block * block), shape[2].map { $0 / block },
          shape[3].map { $0 / block },
        ])
    ]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    let x = try Movement.input(inputs, 0)
    let (n, c, h, w) = (x.shape[0], x.shape[1], y.shape[2], y.shape[3])
    guard y.count == x.count else { throw DataError("input \(Shape.text(x.shape)) does not fit the output") }
    let line = w * block
    let plane = h * block * line
    // Output axes [n, row, column, c, h, w], or with the channels in front of the block.
    let channels = depthFirst ? [block, block, c] : [c, block, block]
    let steps = depthFirst ? [line, 1, plane] : [plane, line, 1]
    StridedCopy(
      shape: [n] + channels + [h, w], source: [c * plane] + steps + [block * line, block]
    ).run(from: x.pointer, to: y.pointer, elementSize: x.dtype.size, context.pool)
  }
}

enum Blocks {
  static func size(_ attributes: Attributes) throws -> Int {
    let size = try attributes.required("blocksize", attributes.int("blocksize"))
    guard size > 0, size < 1 << 16 else { throw DataError("blocksize \(size) is out of range") }
    return size
  }

  static func isDepthFirst(_ attributes: Attributes) throws -> Bool {
    let mode = try attributes.string("mode") ?? "DCR"
    guard mode == "DCR" || mode == "CRD" else { throw DataError("mode '\(mode)' is not DCR or CRD") }
    return mode == "DCR"
  }

  static func shape(_ type: TensorType) throws -> [Dim]? {
    guard let shape = type.shape else { return nil }
    guard shape.count == 4 else { throw DataError("input has rank \(shape.count), 4 is needed") }
    return shape
  }
}

extension DepthToSpace: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let shape = try context.shape(0)
    let (n, c, h, w) = (shape[0], shape[1] / (block * block), shape[2], shape[3])
    let parted = context.reshape(try context.gradient(), [n, c, h, block, w, block])
    let order = depthFirst ? [0, 3, 5, 1, 2, 4] : [0, 1, 3, 5, 2, 4]
    return [context.reshape(context.transpose(parted, order), shape)]
  }
}
