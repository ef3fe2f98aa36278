import GraphIR

/// Columns of blocks added back into images: `[N, C · block, blocks]` to `[N, C, image_shape…]`, the inverse of the
/// unfolding that a convolution does. Overlaps are summed.
struct Col2Im: Operator {
  static let schema = Schema(
    "Col2Im", since: 18, inputs: ["input: T", "image_shape[1]: I", "block_shape[1]: I"],
    outputs: ["output: T"],
    types: ["T": .numbers, "I": [.int64]],
    attributes: ["dilations": .none, "pads": .none, "strides": .none])
  let window: ConvolutionWindow

  init(_ attributes: Attributes) throws { window = try ConvolutionWindow(attributes) }

  /// The axes of a convolution that would give these columns.
  private func axes(_ image: [Int], _ block: [Int]) throws -> [ConvolutionAxis] {
    guard image.count == block.count, !image.isEmpty else {
      throw DataError("image_shape \(image) and block_shape \(block) do not fit")
    }
    _ = try window.kernel(block.map { Dim.known($0) }[...])
    return try image.indices.map {
      try window.axis($0, input: image[$0], kernel: block[$0], rank: image.count)
    }
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let data = try inputs.type(0)
    if let rank = data.rank, rank != 3 { throw DataError("the input is \(data), not [N, C · block, blocks]") }
    let batch = data.shape?[0] ?? .unknown
    guard let image = inputs.ints(1), let block = inputs.ints(2) else {
      let rank = try Movement.length(inputs, 1) ?? Movement.length(inputs, 2)
      return [TensorType(data.dtype, rank.map { [batch, .unknown] + Movement.unknown($0) })]
    }
    let axes = try axes(image, block)
    guard let taps = Shape.checkedCount(block), let blocks = Shape.checkedCount(axes.map(\.output)) else {
      throw DataError("block_shape \(block) is too large")
    }
    if let columns = data.shape?[1].value, columns % taps != 0 {
      throw DataError("\(columns) columns are not cut into blocks of \(taps)")
    }
    if let count = data.shape?[2].value, count != blocks {
      throw DataError("the input has \(count) blocks, image_shape \(image) has \(blocks)")
    }
    let channels = data.shape?[1].map { $0 / taps } ?? .unknown
    return [try Movement.limited(data.dtype, [batch, channels] + image.map { .known($0) })]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let image = try Movement.ints(inputs, 1),
      let block = try Movement.ints(inputs, 2),
      let y = outputs[0], y.count > 0
    else { return }
    try x.dtype.visit(Run(x: x, y: y, axes: try axes(image, block), pool: context.pool))
  }

  private struct Run: ArithmeticVisitor {
    let x, y: Tensor
    let axes: [ConvolutionAxis]
    let pool: ThreadPool

    func visit<T: ArithmeticElement>(_ type: T.Type) {
      let offsets = self.offsets()
      let pixels = axes.reduce(1) { $0 * $1.input }
      pool.forRanges(y.count / pixels, grain: max(1, 16384 / max(1, offsets.count))) { range in
        for plane in range {
          let target = y.pointer(as: type) + plane * pixels
          let source = x.pointer(as: type) + plane * offsets.count
          target.update(repeating: .zero, count: pixels)
          for (place, offset) in offsets.enumerated() where offset >= 0 {
            target[offset] = T.sum(target[offset], source[place])
          }
        }
      }
    }

    /// The pixel of every tap of every block, taps outermost; -1 in the padding.
    private func offsets() -> [Int] {
      var (taps, blocks) = ([[Int]()], [[Int]()])
      for axis in axes {
        taps = taps.flatMap { tap in (0..<axis.kernel).map { tap + [$0] } }
        blocks = blocks.flatMap { block in (0..<axis.output).map { block + [$0] } }
      }
      return taps.flatMap { tap in
        blocks.map { block in
          var offset = 0
          for (index, axis) in axes.enumerated() {
            let position = block[index] * axis.stride + tap[index] * axis.dilation - axis.padding
            guard position >= 0, position < axis.input else { return -1 }
            offset = offset * axis.input + position
          }
          return offset
        }
      }
    }
  }
}
