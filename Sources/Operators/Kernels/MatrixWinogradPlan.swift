/// How a 3×3 convolution is computed by Winograd's F(2×2, 3×3): which tiles and channels at a time.
///
/// Tiles of 2×2 outputs are counted over all images. A block of them is transformed as a whole; a work item then
/// computes some output channels for some parts of the block. Only `depth` decides the order of additions.
struct WinogradPlan {
  let shape: ConvolutionShape
  let kernels: PanelKernels
  /// Tiles of one row, and of one image.
  let across: Int
  let tilesPerImage: Int
  /// Tiles that are transformed at a time; whole panels.
  let block: Int
  /// Tiles of one product; whole panels.
  let part: Int
  /// Parts that an item computes, with the same transformed weights.
  let partsPerItem: Int
  /// Panels of output channels in one item.
  let outputPanels: Int
  /// Input channels of one product.
  let depth: Int

  /// Bytes of transformed input in a block: a share of the last cache.
  private static let blockBytes = 16 << 20
  private static let planes = 16

  /// Nil when the convolution is not one of 3×3 that keeps the size, or gains nothing.
  init?(_ shape: ConvolutionShape) {
    guard let best = PanelKernels.best else { return nil }
    self.init(shape, best)
  }

  init?(_ shape: ConvolutionShape, _ kernels: PanelKernels) {
    guard shape.groups == 1, shape.axes[0] == ConvolutionAxis(),
      shape.axes.dropFirst().allSatisfy({
        $0.kernel == 3 && $0.stride == 1 && $0.dilation == 1 && $0.padding == 1 && $0.output == $0.input
      }), shape.inputChannels >= 8, shape.outputChannels >= 8
    else { return nil }
    let (height, width) = (shape.axes[1].input, shape.axes[2].input)
    guard PanelKernels.fits(shape.batch, shape.inputChannels, shape.outputChannels, height, width) else {
      return nil
    }
    across = (width + 1) / 2
    tilesPerImage = across * ((height + 1) / 2)
    let tiles = Cost.product([tilesPerImage, shape.batch])
    guard tiles < 1 << 40 else { return nil }
    let (rows, columns) = (kernels.rows, kernels.columns)
    // Multiplications of a pair of channels, with what transforming its kernel costs beside them.
    let lanes = columns / 2
    guard 16 * ((tiles + lanes - 1) / lanes * lanes) + 200 < 10 * shape.batch * shape.outputs else {
      return nil
    }
    self.shape = shape
    self.kernels = kernels

    let most = Self.blockBytes / (Self.planes * MemoryLayout<Float>.size * shape.inputChannels)
    block = min(kernels.whole(columns: tiles), max(most / columns * columns, 128))
    part = min(block, 128)
    let steps = (shape.inputChannels + 255) / 256
    depth = (shape.inputChannels + steps - 1) / steps
    let parts = (block + part - 1) / part
    let outputs = kernels.panels(rows: shape.outputChannels)
    // A dozen items keep a few threads busy; where the parts are as many, the others share what is transformed.
    let wanted = 12
    outputPanels = max(1, min(56 / rows, outputs * parts / wanted))
    let items = (outputs + outputPanels - 1) / outputPanels
    partsPerItem = max(1, min(parts, parts * items / wanted))
  }

  var tiles: Int { tilesPerImage * shape.batch }

  /// Steps over the input channels.
  var steps: Int { (shape.inputChannels + depth - 1) / depth }

  /// Elements of a transformed left panel, with room behind it.
  var leftPanel: Int { depth * kernels.rows + 16 }

  /// Elements of a plane of a block's transformed input.
  var inputPlane: Int { block * shape.inputChannels }

  /// Elements that all threads see: the transformed input.
  var inputCount: Int { Self.planes * inputPlane }

  /// Elements of an item's transformed weights: those of all steps where several parts need them.
  var weightCount: Int { Self.planes * outputPanels * leftPanel * (partsPerItem > 1 ? steps : 1) }

  /// Elements of an item's products.
  var productCount: Int { Self.planes * outputPanels * kernels.rows * part + 16 }

  /// Elements of a channel's rows with zeros around them.
  var borderCount: Int {
    let rows = min((block - 1) / across + 2, tilesPerImage / across)
    return (2 * rows + 2) * (shape.axes[2].input + 96)
  }

  /// Elements of scratch memory that one thread needs.
  var scratchCount: Int { max(weightCount + productCount, borderCount) }

  func byteCount(threads: Int) -> Int {
    SharedScratch<Float>.byteCount(inputCount)
      + SlottedScratch<Float>.byteCount(scratchCount, threads: threads)
  }
}
