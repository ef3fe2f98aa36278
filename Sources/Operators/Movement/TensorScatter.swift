import GraphIR

#if canImport(Glibc)
  import Glibc
#endif

/// A cache with an update written along `axis`, for each batch element from an index of its own on; mode
/// `circular` goes on at the start of the axis when its end is reached.
struct TensorScatter: Operator {
  static let schema = Schema(
    "TensorScatter", since: 24, inputs: ["past_cache: T", "update: T", "write_indices?: I"],
    outputs: ["present_cache: T"], types: ["T": .all, "I": [.int64]],
    attributes: ["axis": .int(-2), "mode": .string("linear")])
  static let runsHalf = true
  let aliasing = Aliasing.inPlace([0])
  let axis: Int
  let circular: Bool

  init(_ attributes: Attributes) throws {
    axis = try attributes.required("axis", attributes.int("axis"))
    let mode = try attributes.string("mode") ?? "linear"
    guard mode == "linear" || mode == "circular" else {
      throw DataError("mode '\(mode)' is not linear or circular")
    }
    circular = mode == "circular"
  }

  /// The axis, which cannot be the batch's.
  private func position(rank: Int) throws -> Int {
    let position = try InferenceInputs.axis(axis, rank: rank)
    guard position > 0 else { throw DataError("axis \(axis) is the batch axis") }
    return position
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let cache = try inputs.type(0)
    guard let shape = cache.shape else { return [cache] }
    let axis = try position(rank: shape.count)
    if let update = try inputs.shape(1) {
      var needed = shape
      if update.count == shape.count { needed[axis] = update[axis] }
      guard TensorType(cache.dtype, needed).agrees(with: TensorType(cache.dtype, update)) else {
        throw DataError("update \(try inputs.type(1)) does not fit cache \(cache)")
      }
      if let most = shape[axis].value, let length = update[axis].value, length > most {
        throw DataError("an update of \(length) does not fit axis \(axis) of extent \(most)")
      }
    }
    if inputs.has(2), let indices = try inputs.shape(2) {
      guard indices.count == 1, indices[0].agrees(with: shape[0]) else {
        throw DataError("write_indices are \(try inputs.type(2)), one is needed for each of \(shape[0])")
      }
    }
    return [cache]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    let update = try Movement.input(inputs, 1)
    let axis = try position(rank: y.rank)
    let starts = try Movement.ints(inputs, 2) ?? [Int](repeating: 0, count: y.shape[0])
    y.assign(try Movement.input(inputs, 0))
    if update.count == 0 { return }
    let (extent, length) = (y.shape[axis], update.shape[axis])
    let row = Shape.count(Array(y.shape[(axis + 1)...])) * y.dtype.size
    let blocks = Shape.count(Array(y.shape[1..<axis]))
    for start in starts where !circular && (start < 0 || start > extent - length) {
      throw DataError("an update of \(length) from \(start) on does not fit axis \(axis) of extent \(extent)")
    }
    for (item, start) in starts.enumerated() {
      let first = (start % extent + extent) % extent
      for block in item * blocks..<(item + 1) * blocks {
        for step in 0..<length {
          let target = (block * extent + (first + step) % extent) * row
          memcpy(y.pointer + target, update.pointer + (block * length + step) * row, row)
        }
      }
    }
  }
}
