import GraphIR

/// The transpose of a convolution: a product of the transposed weight [O · taps, C] and the input
/// [C, positions], whose rows are then added to the output where their tap falls.
struct TransposedConvolution<T: MatrixScalar> {
  let shape: ConvolutionShape
  /// [N, C, …]
  let x: UnsafePointer<T>
  /// [C, O / groups, …]
  let w: UnsafePointer<T>
  /// [O]
  let bias: UnsafePointer<T>?
  let y: UnsafeMutablePointer<T>

  /// Output channels of one work item: as many as keep the product near the second-level cache.
  private static func channels(_ shape: ConvolutionShape) -> Int {
    let perChannel = max(1, Cost.product([shape.taps, shape.inputs]))
    return min(max(1, 512 * 1024 / perChannel), max(1, (shape.outputChannels + 1) / 2))
  }

  /// Elements of scratch memory that one thread needs.
  static func scratchCount(_ shape: ConvolutionShape) -> Int {
    Cost.product([channels(shape), shape.taps, shape.inputs])
  }

  func run(_ context: RunContext) {
    let scratch = SlottedScratch<T>(Self.scratchCount(shape), context)
    let step = Self.channels(shape)
    let parts = (shape.outputChannels + step - 1) / step
    context.pool.forEachWithSlot(shape.batch * shape.groups * parts) { item, slot in
      let first = item % parts * step
      run(
        image: item / (parts * shape.groups), group: item / parts % shape.groups,
        channels: first..<min(shape.outputChannels, first + step), scratch.pointer(slot))
    }
  }

  private func run(
    image: Int, group: Int, channels: Range<Int>, _ scratch: UnsafeMutablePointer<T>
  ) {
    let width = shape.outputChannels * shape.taps
    T.gemm(
      true, false, channels.count * shape.taps, shape.inputs, shape.inputChannels, 1,
      w + group * shape.inputChannels * width + channels.lowerBound * shape.taps, width,
      x + (image * shape.groups + group) * shape.inputChannels * shape.inputs, shape.inputs, 0, scratch,
      shape.inputs)
    for channel in channels {
      let absolute = group * shape.outputChannels + channel
      let out = y + (image * shape.groups * shape.outputChannels + absolute) * shape.outputs
      out.update(repeating: bias?[absolute] ?? 0, count: shape.outputs)
      fold(scratch + (channel - channels.lowerBound) * shape.taps * shape.inputs, out)
    }
  }

  /// Adds the rows of one channel, one a tap, to where they belong.
  private func fold(_ source: UnsafePointer<T>, _ out: UnsafeMutablePointer<T>) {
    let (depth, height, width) = (shape.axes[0], shape.axes[1], shape.axes[2])
    var line = source
    for tapDepth in 0..<depth.kernel {
      for tapHeight in 0..<height.kernel {
        for tapWidth in 0..<width.kernel {
          for slice in 0..<depth.input {
            let d = slice * depth.stride + tapDepth * depth.dilation - depth.padding
            guard d >= 0, d < depth.output else { continue }
            for row in 0..<height.input {
              let h = row * height.stride + tapHeight * height.dilation - height.padding
              guard h >= 0, h < height.output else { continue }
              let from = line + (slice * height.input + row) * width.input
              let to = out + (d * height.output + h) * width.output
              var place = tapWidth * width.dilation - width.padding
              for column in 0..<width.input {
                if place >= 0, place < width.output { to[place] += from[column] }
                place += width.stride
              }
            }
          }
          line += shape.inputs
        }
      }
    }
  }
}
