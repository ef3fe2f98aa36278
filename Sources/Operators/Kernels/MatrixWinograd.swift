import CKernels
import GraphIR

/// A 3×3 convolution as Winograd has it: products of transformed inputs and transformed kernels, transformed back
/// (Lavin and Gray 2015, arXiv 1509.09308).
struct WinogradConvolution {
  let plan: WinogradPlan
  /// [N, C, H, W]
  let x: UnsafePointer<Float>
  /// [O, C, 3, 3]
  let w: UnsafePointer<Float>
  /// [O]
  let bias: UnsafePointer<Float>?
  /// [N, O, H, W]
  let y: UnsafeMutablePointer<Float>
  /// The transformed kernels of a plan that keeps them.
  var kept: UnsafeMutablePointer<Float>?

  private var shape: ConvolutionShape { plan.shape }
  private var height: Int { shape.axes[1].input }
  private var width: Int { shape.axes[2].input }

  func run(_ context: RunContext) {
    let input = SharedScratch<Float>(plan.inputCount, context)
    let scratch = SlottedScratch<Float>(plan.scratchCount, input.rest)
    let rows = plan.outputPanels * plan.kernels.rows
    let outputItems = plan.outputItems
    for start in stride(from: 0, to: plan.tiles, by: plan.block) {
      let tiles = start..<min(plan.tiles, start + plan.block)
      transform(tiles, to: input.base, scratch, context.pool)
      let parts = (tiles.count + plan.part - 1) / plan.part
      let partItems = (parts + plan.partsPerItem - 1) / plan.partsPerItem
      context.pool.forEachWithSlot(outputItems * partItems) { item, slot in
        let first = item % outputItems * rows
        let part = item / outputItems * plan.partsPerItem
        run(
          outputs: first..<min(shape.outputChannels, first + rows), tiles,
          parts: part..<min(parts, part + plan.partsPerItem), input.base, scratch.pointer(slot))
      }
    }
  }

  /// Tiles of one image: where they begin in it and in a longer range.
  private struct Segment {
    let image: Int
    let first: Int
    let place: Int
    let count: Int
  }

  private func segments(_ tiles: Range<Int>) -> [Segment] {
    let each = plan.tilesPerImage
    return (tiles.lowerBound / each...(tiles.upperBound - 1) / each).map { image in
      let own = tiles.clamped(to: image * each..<(image + 1) * each)
      return Segment(
        image: image, first: own.lowerBound - image * each, place: own.lowerBound - tiles.lowerBound,
        count: own.count)
    }
  }

  /// Right panels of all planes: `[plane, panel, slot, column]`.
  private func transform(
    _ tiles: Range<Int>, to target: UnsafeMutablePointer<Float>, _ scratch: SlottedScratch<Float>,
    _ pool: ThreadPool
  ) {
    let (segments, columns) = (segments(tiles), plan.kernels.columns)
    let (channels, slots, elements, chunk) = (shape.inputChannels, plan.slots, plan.kernels.elements, 4)
    let used = tiles.count % columns
    pool.forEachWithSlot((slots + chunk - 1) / chunk) { item, slot in
      for place in item * chunk..<min(slots, (item + 1) * chunk) {
        let out = target + place * columns
        let channel = place * elements
        for segment in segments {
          let image = x + (segment.image * channels + channel) * shape.inputs
          plan.tile.input(
            image, elements == 2 && channel + 1 < channels ? image + shape.inputs : nil, height, width,
            segment.first, segment.count, segment.place, scratch.pointer(slot), out, plan.inputPlane,
            slots * columns)
        }
        if used > 0 {
          // What a panel has beside its tiles is multiplied too.
          let last = out + tiles.count / columns * slots * columns
          for plane in 0..<plan.tile.planes {
            (last + plane * plan.inputPlane + used).update(repeating: 0, count: columns - used)
          }
        }
      }
    }
  }

  /// Computes output channels of some parts of a block of tiles.
  private func run(
    outputs: Range<Int>, _ tiles: Range<Int>, parts: Range<Int>, _ input: UnsafePointer<Float>,
    _ scratch: UnsafeMutablePointer<Float>
  ) {
    let products = scratch + plan.weightCount
    let stepCount = plan.stepWeightCount
    var weights = scratch
    if let kept {
      weights = kept + outputs.lowerBound / (plan.outputPanels * plan.kernels.rows) * plan.steps * stepCount
    }
    let hasAllSteps = plan.keepsWeights || plan.partsPerItem > 1
    if hasAllSteps, kept == nil {
      for step in 0..<plan.steps { transformWeights(outputs, step, to: weights + step * stepCount) }
    }
    for part in parts {
      let own =
        tiles.lowerBound + part * plan.part..<min(tiles.upperBound, tiles.lowerBound + (part + 1) * plan.part)
      for step in 0..<plan.steps {
        if !hasAllSteps { transformWeights(outputs, step, to: weights) }
        multiply(
          outputs, own.count, first: part * plan.part, step, input,
          weights + (hasAllSteps ? step * stepCount : 0), products)
      }
      finish(outputs, own, products)
    }
  }

  /// Transforms the kernels of one item for a plan that keeps them.
  func keepWeights(item: Int, to target: UnsafeMutablePointer<Float>) {
    let rows = plan.outputPanels * plan.kernels.rows
    let outputs = item * rows..<min(shape.outputChannels, (item + 1) * rows)
    let own = target + item * plan.steps * plan.stepWeightCount
    // Room behind panels is read along with them.
    own.update(repeating: 0, count: plan.steps * plan.stepWeightCount)
    for step in 0..<plan.steps { transformWeights(outputs, step, to: own + step * plan.stepWeightCount) }
  }

  /// Left panels of all planes for the channels of one step: `[plane, panel, slot, row]`.
  private func transformWeights(_ outputs: Range<Int>, _ step: Int, to target: UnsafeMutablePointer<Float>) {
    let (rows, elements) = (plan.kernels.rows, plan.kernels.elements)
    let slots = slots(step)
    let channels =
      slots.lowerBound * elements..<min(shape.inputChannels, slots.upperBound * elements)
    for (panel, output) in stride(from: outputs.lowerBound, to: outputs.upperBound, by: rows).enumerated() {
      plan.tile.weights(
        w + (output * shape.inputChannels + channels.lowerBound) * 9, shape.inputChannels * 9,
        min(rows, outputs.upperBound - output), channels.count, target + panel * plan.leftPanel,
        plan.outputPanels * plan.leftPanel)
    }
  }

  private func slots(_ step: Int) -> Range<Int> {
    step * plan.depth..<min(plan.slots, (step + 1) * plan.depth)
  }

  /// The products of one step's channels: `[plane, output, tile]`, begun by the first step.
  private func multiply(
    _ outputs: Range<Int>, _ count: Int, first: Int, _ step: Int, _ input: UnsafePointer<Float>,
    _ weights: UnsafePointer<Float>, _ products: UnsafeMutablePointer<Float>
  ) {
    let (rows, columns, panels) = (
      plan.kernels.rows, plan.kernels.columns, plan.kernels.table.pointee.panels!
    )
    let (slots, lanes) = (slots(step), columns / 2)
    let leftPanels = (outputs.count + rows - 1) / rows
    for plane in 0..<plan.tile.planes {
      let left = weights + plane * plan.outputPanels * plan.leftPanel
      let right = input + plane * plan.inputPlane + slots.lowerBound * columns
      let target = products + plane * plan.outputPanels * rows * plan.part
      for column in stride(from: 0, to: count, by: columns) {
        let operand = right + (first + column) * plan.slots
        panels(
          slots.count, left, plan.leftPanel, operand, target + column, plan.part, leftPanels * rows,
          min(columns, (count - column + lanes - 1) / lanes * lanes), step > 0 ? 1 : 0, nil, nil)
      }
    }
  }

  /// Transforms products back and adds the bias.
  private func finish(_ outputs: Range<Int>, _ tiles: Range<Int>, _ products: UnsafePointer<Float>) {
    let plane = plan.outputPanels * plan.kernels.rows * plan.part
    for segment in segments(tiles) {
      for output in outputs {
        plan.tile.output(
          products + (output - outputs.lowerBound) * plan.part + segment.place, plane, height, width,
          segment.first, segment.count, bias?[output] ?? 0,
          y + (segment.image * shape.outputChannels + output) * shape.outputs)
      }
    }
  }
}
