import CKernels
import GraphIR

/// A convolution of [N, C, …] by [O, C / groups, …]: a product of the weight [O, C · taps] and the unfolded
/// input [C · taps, positions].
struct Convolution<T: MatrixScalar> {
  let plan: ConvolutionPlan
  let precision: ProductPrecision
  let x: UnsafePointer<T>
  let w: UnsafePointer<T>
  /// [O]
  let bias: UnsafePointer<T>?
  let y: UnsafeMutablePointer<T>

  private var shape: ConvolutionShape { plan.shape }

  /// Computes it by panels of which those of the weight are there.
  func run(_ panels: Panels<T>, keeping context: RunContext) {
    if shape.isPointwise {
      for position in 0..<shape.batch { panels.run(pointwise(position), context) }
    } else {
      run(panels, context)
    }
  }

  func run(_ context: RunContext) {
    if shape.isPointwise { return runPointwise(context) }
    if let panels = plan.panels(T.self, precision) { return run(panels, context) }
    let scratch = SlottedScratch<T>(plan.scratchCount, context)
    let imageTiles = (shape.batch + plan.images - 1) / plan.images
    let positionTiles = (shape.outputs + plan.positions - 1) / plan.positions
    let rowTiles = (shape.outputChannels + plan.rows - 1) / plan.rows
    // Row tiles share what they unfold where one thread computes them all: the products are the same.
    let sharesRows = context.pool.threadCount == 1 && plan.images == 1
    let parts = sharesRows ? 1 : rowTiles
    let rows = sharesRows ? shape.outputChannels : plan.rows
    context.pool.forEachWithSlot(shape.groups * imageTiles * positionTiles * parts) { item, slot in
      let row = item % parts * plan.rows
      let position = item / parts % positionTiles * plan.positions
      let image = item / (parts * positionTiles) % imageTiles * plan.images
      run(
        group: item / (parts * positionTiles * imageTiles),
        images: image..<min(shape.batch, image + plan.images),
        positions: position..<min(shape.outputs, position + plan.positions),
        rows: row..<min(shape.outputChannels, row + rows), scratch.pointer(slot))
    }
  }

  /// Products of the weight and the unfolded input of one group of one image, by panels.
  private func run(_ panels: Panels<T>, _ context: RunContext) {
    let depth = shape.inputChannels * shape.taps
    for position in 0..<shape.batch * shape.groups {
      let group = position % shape.groups
      let image = x + position * shape.inputChannels * shape.inputs
      panels.run(
        MatrixProduct(
          m: shape.outputChannels, n: shape.outputs, k: depth,
          a: MatrixOperand(w + group * shape.outputChannels * depth, stride: depth),
          b: MatrixOperand(image, stride: 0), c: y + position * shape.outputChannels * shape.outputs,
          strideC: shape.outputs,
          addend: bias.map {
            MatrixAddend(base: $0 + group * shape.outputChannels, rowStride: 1, columnStride: 0, factor: 1)
          },
          unfoldB: { rows, columns, target in
            unfold(
              image + rows.lowerBound / shape.taps * shape.inputs, rows.count / shape.taps, columns,
              columns.count, target)
          }), context)
    }
  }

  private func runPointwise(_ context: RunContext) {
    MatrixProduct<T>.run(
      shape.batch * shape.groups, shape.outputChannels, shape.outputs, shape.inputChannels, context, precision
    ) { pointwise($0) }
  }

  /// The product of one group of one image.
  private func pointwise(_ position: Int) -> MatrixProduct<T> {
    let (m, n, k) = (shape.outputChannels, shape.outputs, shape.inputChannels)
    let group = position % shape.groups
    return MatrixProduct(
      m: m, n: n, k: k, a: MatrixOperand(w + group * m * k, stride: max(k, 1)),
      b: MatrixOperand(x + position * k * n, stride: n), c: y + position * m * n, strideC: n,
      addend: bias.map { MatrixAddend(base: $0 + group * m, rowStride: 1, columnStride: 0, factor: 1) })
  }

  private func run(
    group: Int, images: Range<Int>, positions: Range<Int>, rows: Range<Int>,
    _ scratch: UnsafeMutablePointer<T>
  ) {
    let columns = images.count * positions.count
    let depth = shape.inputChannels * shape.taps
    let channelsOut = shape.groups * shape.outputChannels
    let firstRow = group * shape.outputChannels + rows.lowerBound
    // A single image's results go straight to their place; several images' lie side by side first.
    let gathers = images.count > 1
    let target =
      gathers
      ? scratch + plan.unfoldedCount
      : y + (images.lowerBound * channelsOut + firstRow) * shape.outputs + positions.lowerBound
    let stride = gathers ? columns : shape.outputs
    for row in 0..<rows.count {
      (target + row * stride).update(repeating: bias?[firstRow + row] ?? 0, count: columns)
    }
    for channel in Swift.stride(from: 0, to: shape.inputChannels, by: plan.channels) {
      let count = min(plan.channels, shape.inputChannels - channel)
      for image in images {
        let first = (image * shape.groups + group) * shape.inputChannels + channel
        unfold(
          x + first * shape.inputs, count, positions, columns,
          scratch + (image - images.lowerBound) * positions.count)
      }
      for row in Swift.stride(from: 0, to: rows.count, by: plan.rows) {
        T.gemm(
          false, false, min(plan.rows, rows.count - row), columns, count * shape.taps, 1,
          w + (firstRow + row) * depth + channel * shape.taps, depth, scratch, columns, 1,
          target + row * stride, stride)
      }
    }
    guard gathers else { return }
    for image in images {
      for row in 0..<rows.count {
        (y + (image * channelsOut + firstRow + row) * shape.outputs).update(
          from: target + row * stride + (image - images.lowerBound) * positions.count,
          count: positions.count)
      }
    }
  }

  /// Writes the elements that each tap meets at the given output positions: rows are channels × taps,
  /// `stride` apart.
  private func unfold(
    _ source: UnsafePointer<T>, _ channels: Int, _ positions: Range<Int>, _ stride: Int,
    _ target: UnsafeMutablePointer<T>
  ) {
    let (depth, height, width) = (shape.axes[0], shape.axes[1], shape.axes[2])
    if depth == ConvolutionAxis(), height.stride == 1, width.stride == 1, width.output == width.input {
      return unfoldMoved(source, channels, positions, stride, target)
    }
    var line = target
    for channel in 0..<channels {
      let plane = source + channel * shape.inputs
      for tapDepth in 0..<depth.kernel {
        for tapHeight in 0..<height.kernel {
          for tapWidth in 0..<width.kernel {
            var position = positions.lowerBound
            var out = line
            while position < positions.upperBound {
              let column = position % width.output
              let row = position / width.output % height.output
              let slice = position / (width.output * height.output)
              let count = min(width.output - column, positions.upperBound - position)
              let d = slice * depth.stride + tapDepth * depth.dilation - depth.padding
              let h = row * height.stride + tapHeight * height.dilation - height.padding
              if d >= 0, d < depth.input, h >= 0, h < height.input {
                copy(
                  plane + (d * height.input + h) * width.input, width,
                  column * width.stride + tapWidth * width.dilation - width.padding, count, out)
              } else {
                out.update(repeating: 0, count: count)
              }
              out += count
              position += count
            }
            line += stride
          }
        }
      }
    }
  }

  /// `unfold` where neighbours in the output meet neighbours in the input: a tap's line is the plane moved by a
  /// constant, with zeros where that leads over an edge.
  private func unfoldMoved(
    _ source: UnsafePointer<T>, _ channels: Int, _ positions: Range<Int>, _ stride: Int,
    _ target: UnsafeMutablePointer<T>
  ) {
    let (height, width) = (shape.axes[1], shape.axes[2])
    if let source = source as? UnsafePointer<Float>, let target = target as? UnsafeMutablePointer<Float>,
      unfoldRows(source, channels, positions, stride, target)
    {
      return
    }
    var line = target - positions.lowerBound
    for channel in 0..<channels {
      let plane = source + channel * shape.inputs
      for tapHeight in 0..<height.kernel {
        let down = tapHeight * height.dilation - height.padding
        for tapWidth in 0..<width.kernel {
          let right = tapWidth * width.dilation - width.padding
          let move = down * width.input + right
          // Of the positions that meet a row of the input, those that meet the plane at all; the others of them
          // are in columns that lead over an edge.
          let first = min(
            max(positions.lowerBound, -down * width.input, -move), positions.upperBound)
          let last = max(
            first,
            min(positions.upperBound, (height.input - down) * width.input, shape.inputs - move))
          (line + positions.lowerBound).update(repeating: 0, count: first - positions.lowerBound)
          (line + first).update(from: plane + (first + move), count: last - first)
          (line + last).update(repeating: 0, count: positions.upperBound - last)
          let columns =
            right < 0 ? 0..<min(-right, width.input) : max(0, width.input - right)..<width.input
          for column in columns {
            var position = first / width.input * width.input + column
            if position < first { position += width.input }
            while position < last {
              line[position] = 0
              position += width.input
            }
          }
          line += stride
        }
      }
    }
  }

  /// The same for small images, whole rows of them: most of what they take else is to begin a copy.
  /// - Returns: false where that does not fit.
  private func unfoldRows(
    _ source: UnsafePointer<Float>, _ channels: Int, _ positions: Range<Int>, _ stride: Int,
    _ target: UnsafeMutablePointer<Float>
  ) -> Bool {
    let (height, width) = (shape.axes[1], shape.axes[2])
    guard width.input % 4 == 0, width.input <= 64, height.input <= 64, height.kernel <= 16,
      width.kernel <= 16,
      height.dilation <= 16, width.dilation <= 16, height.padding <= 64, width.padding <= 64,
      positions.lowerBound % width.input == 0, positions.upperBound % width.input == 0
    else { return false }
    let rows = positions.count / width.input
    var window = ck_window(
      height: height.input, width: width.input, kernel_height: height.kernel, kernel_width: width.kernel,
      dilation_height: height.dilation, dilation_width: width.dilation, padding_height: height.padding,
      padding_width: width.padding)
    let count = ck_unfold_border(&window, rows)
    guard count <= 8192 else { return false }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { border in
      ck_unfold(
        source, channels, &window, positions.lowerBound / width.input, rows, border.baseAddress!, target,
        stride)
    }
    return true
  }

  /// Copies `count` elements of an input row from `first` on, one every stride, zeros outside the row.
  @inline(__always)
  private func copy(
    _ row: UnsafePointer<T>, _ axis: ConvolutionAxis, _ first: Int, _ count: Int,
    _ out: UnsafeMutablePointer<T>
  ) {
    let stride = axis.stride
    // The first element inside the row, and the first one past its end.
    let begin = first >= 0 ? 0 : min(count, (stride - 1 - first) / stride)
    let left = axis.input - first
    let end = left <= 0 ? begin : max(begin, min(count, (left + stride - 1) / stride))
    for i in 0..<begin { out[i] = 0 }
    if stride == 1 {
      (out + begin).update(from: row + (first + begin), count: end - begin)
    } else {
      for i in begin..<end { out[i] = row[first + i * stride] }
    }
    for i in end..<count { out[i] = 0 }
  }
}
