import GraphIR

/// The extents of a convolution, always with three spatial axes: missing ones come first, with extent 1.
struct ConvolutionShape {
  let batch: Int
  let groups: Int
  /// Channels of one group.
  let inputChannels: Int
  let outputChannels: Int
  let axes: [ConvolutionAxis]
  /// Elements of one kernel, of one input channel and of one output channel.
  let taps: Int
  let inputs: Int
  let outputs: Int

  init(
    batch: Int, groups: Int, inputChannels: Int, outputChannels: Int, axes: [ConvolutionAxis]
  ) {
    self.batch = batch
    self.groups = groups
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    self.axes = Array(repeating: ConvolutionAxis(), count: max(0, 3 - axes.count)) + axes
    taps = Cost.product(axes.map(\.kernel))
    inputs = Cost.product(axes.map(\.input))
    outputs = Cost.product(axes.map(\.output))
  }

  /// Whether the convolution is a matrix product as it stands.
  var isPointwise: Bool {
    axes.allSatisfy { $0.kernel == 1 && $0.stride == 1 && $0.padding == 0 && $0.output == $0.input }
  }
}

/// How a convolution is cut into work items and steps. It follows from the shape alone, so that results do
/// not depend on the number of threads.
///
/// An item computes some output channels of one group at some output positions: of one image, or, where an
/// image has few, of several whole images side by side. It goes over the input channels in steps and unfolds
/// those of one step into a matrix [channels · taps, columns] at a time.
struct ConvolutionPlan {
  let shape: ConvolutionShape
  /// Images and output positions of an image in one item.
  let images: Int
  let positions: Int
  /// Output channels in one item and input channels in one step.
  let rows: Int
  let channels: Int

  /// Columns worth reaching: fewer make the product pack more than it multiplies.
  private static let columnsWanted = 256
  /// Elements of the unfolded matrix: about the second-level cache.
  private static let unfoldedLimit = 320 * 1024

  init(_ shape: ConvolutionShape) {
    self.shape = shape
    if shape.outputs <= Self.columnsWanted / 2, shape.batch > 1 {
      images = min(shape.batch, Self.columnsWanted / max(shape.outputs, 1))
      positions = shape.outputs
    } else {
      images = 1
      let tiles = (shape.outputs - 1) / Self.columnsWanted + 1
      positions = (min((shape.outputs - 1) / tiles + 1, Self.columnsWanted) + 15) / 16 * 16
    }
    let imageTiles = (shape.batch - 1) / images + 1
    let columnTiles = Cost.product([
      shape.groups, imageTiles, (shape.outputs - 1) / max(positions, 1) + 1,
    ])
    // Output channels are parted only where the other ways give too few items: each part unfolds again.
    var parts = 1
    while columnTiles < 4, columnTiles * parts < 4,
      shape.outputChannels / (parts * 2) >= (columnTiles * parts < 2 ? 32 : 256)
    {
      parts *= 2
    }
    rows = (shape.outputChannels + parts - 1) / parts
    let perChannel = Cost.product([shape.taps, images, positions])
    channels = max(1, min(shape.inputChannels, Self.unfoldedLimit / max(perChannel, 1)))
  }

  /// The same products by panels, for one image at a time; nil where that does not pay.
  func panels<T: MatrixScalar>(_ type: T.Type, _ precision: ProductPrecision) -> Panels<T>? {
    guard images == 1, let unfolded = unfoldedRows else { return nil }
    return T.panels(
      shape.outputChannels, shape.outputs, Cost.product([shape.inputChannels, shape.taps]), precision,
      unfolded: unfolded)
  }

  /// Rows that are unfolded at a time for panels; nil where there are to be none.
  private var unfoldedRows: Int? {
    guard !shape.isPointwise, shape.taps < 1 << 12 else { return nil }
    // Channels in pairs, as some slots hold two of what follows each other; about a quarter of the cache.
    return 2 * max(1, Self.unfoldedLimit / (1024 * shape.taps)) * shape.taps
  }

  /// The plan of products whose weights are there in panels, for one image at a time.
  func keptPlan(_ precision: ProductPrecision) -> PanelPlan? {
    guard shape.groups == 1, let unfolded = shape.isPointwise ? 0 : unfoldedRows else { return nil }
    return PanelPlan(
      shape.outputChannels, shape.outputs, Cost.product([shape.inputChannels, shape.taps]), precision,
      unfolded: unfolded, kept: .left)
  }

  var columns: Int { images * positions }

  /// Elements of scratch memory that one thread needs.
  var scratchCount: Int {
    if shape.isPointwise { return 0 }
    return min(unfoldedCount, 1 << 60) + (images > 1 ? rows * columns : 0)
  }

  var unfoldedCount: Int { Cost.product([channels, shape.taps, columns]) }
}
