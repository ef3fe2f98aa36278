import CKernels
import GraphIR

/// How a 3×3 convolution is computed by Winograd's algorithm: which tiles and channels at a time.
///
/// Tiles of outputs are counted over all images. A block of them is transformed as a whole; a work item then
/// computes some output channels for some parts of the block. Only `depth` decides the order of additions.
struct WinogradPlan {
  let shape: ConvolutionShape
  let kernels: PanelKernels
  /// The extents of a tile, and its transforms.
  let tile: ck_winograd
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
  /// Whether transformed kernels are there already.
  let keepsWeights: Bool
  /// Slots of input channels, and of one product.
  let slots: Int
  let depth: Int

  /// Bytes of kernels up to which the tile is chosen for ``nominalImages``, whatever the number of images is: models as
  /// small as that run several positions of a sweep at once, and a row's bits must not depend on how many.
  private static let smallKernels = 8 << 20
  private static let nominalImages = 4

  /// Tiles of one product, at most.
  private static let partTiles = 128

  /// Bytes of transformed input in a block: a share of the last cache.
  private static let blockBytes = 6 << 20

  /// Nil when the convolution is not one of 3×3 that keeps the size, or gains nothing.
  /// - Parameter tiles: those to choose from.
  init?(
    _ shape: ConvolutionShape, _ precision: ProductPrecision = .float32,
    _ tiles: [WinogradTile] = WinogradTile.usual, keepsWeights: Bool = false
  ) {
    guard let best = PanelKernels.best(precision) else { return nil }
    self.init(shape, best, tiles, keepsWeights: keepsWeights)
  }

  init?(
    _ shape: ConvolutionShape, _ kernels: PanelKernels, _ tiles: [WinogradTile], keepsWeights: Bool = false
  ) {
    guard shape.groups == 1, shape.axes[0] == ConvolutionAxis(),
      shape.axes.dropFirst().allSatisfy({
        $0.kernel == 3 && $0.stride == 1 && $0.dilation == 1 && $0.padding == 1 && $0.output == $0.input
      }), shape.batch > 0, shape.inputChannels >= 8, shape.outputChannels >= 8
    else { return nil }
    let (height, width) = (shape.axes[1].input, shape.axes[2].input)
    guard PanelKernels.fits(shape.batch, shape.inputChannels, shape.outputChannels, height, width) else {
      return nil
    }
    let (rows, columns) = (kernels.rows, kernels.columns)
    let kernelBytes = Cost.product([shape.outputChannels, shape.inputChannels, 9 * MemoryLayout<Float>.size])
    // What is kept is one layout for all plans.
    let images = keepsWeights || kernelBytes <= Self.smallKernels ? Self.nominalImages : shape.batch
    func across(_ tile: ck_winograd) -> Int { (width + tile.width - 1) / tile.width }
    func perImage(_ tile: ck_winograd) -> Int { across(tile) * ((height + tile.height - 1) / tile.height) }
    // Multiplications of a pair of channels, with what transforming its kernel costs beside them.
    func cost(_ tile: ck_winograd) -> Int {
      let (tiles, overflow) = perImage(tile).multipliedReportingOverflow(by: images)
      guard !overflow, tiles < 1 << 40 else { return .max }
      // Half a panel takes about three quarters of a whole one's time.
      let last = tiles % columns
      let part = last == 0 ? 0 : last <= columns / 2 ? columns / 4 * 3 : columns
      return tile.planes * (tiles - last + part + (keepsWeights ? 0 : 12))
    }
    guard let tile = tiles.map(kernels.winograd).min(by: { cost($0) < cost($1) }),
      cost(tile) < Cost.product([10, images, shape.outputs])
    else { return nil }
    self.shape = shape
    self.kernels = kernels
    self.keepsWeights = keepsWeights
    self.tile = tile
    self.across = across(tile)
    tilesPerImage = perImage(tile)
    let tiles = tilesPerImage * shape.batch
    slots = kernels.slots(shape.inputChannels)

    let most = max(
      Self.blockBytes / (tile.planes * MemoryLayout<Float>.size * slots) / columns * columns, Self.partTiles)
    func together(_ tiles: Int) -> Int { min(kernels.whole(columns: tiles), most) }
    func parts(_ tiles: Int) -> Int { (together(tiles) + Self.partTiles - 1) / Self.partTiles }
    block = together(tiles)
    part = min(block, Self.partTiles)
    let steps = (slots + 255) / 256
    depth = (slots + steps - 1) / steps
    let outputs = kernels.panels(rows: shape.outputChannels)
    // What an item transforms and multiplies should stay in the second-level cache.
    let largest = tile.planes > 16 ? 28 : 56
    // A dozen items keep a few threads busy; where the parts are as many, the others share what is transformed.
    let wanted = 12
    // Kernels that are kept lie as some images need them, whatever their number.
    let planned = parts(keepsWeights ? tilesPerImage * Self.nominalImages : tiles)
    outputPanels = max(1, min(largest / rows, outputs * planned / wanted))
    let items = (outputs + outputPanels - 1) / outputPanels
    partsPerItem = max(1, min(parts(tiles), parts(tiles) * items / wanted))
  }

  var tiles: Int { tilesPerImage * shape.batch }

  /// Steps over the slots.
  var steps: Int { (slots + depth - 1) / depth }

  /// Elements of a transformed left panel, with room behind it.
  var leftPanel: Int { depth * kernels.rows + 16 }

  /// Elements of a plane of a block's transformed input.
  var inputPlane: Int { block * slots }

  /// Elements that all threads see: the transformed input.
  var inputCount: Int { tile.planes * inputPlane }

  /// Elements of an item's transformed weights: those of all steps where several parts need them.
  var weightCount: Int {
    keepsWeights ? 0 : stepWeightCount * (partsPerItem > 1 ? steps : 1)
  }

  /// Elements of the transformed kernels of an item and a step.
  var stepWeightCount: Int { tile.planes * outputPanels * leftPanel }

  /// Groups of output channels, one an item.
  var outputItems: Int {
    let rows = outputPanels * kernels.rows
    return (shape.outputChannels + rows - 1) / rows
  }

  /// Elements of all transformed kernels: `[item, step, plane, panel, slot, row]`.
  var keptCount: Int { outputItems * steps * stepWeightCount }

  /// Elements of an item's products.
  var productCount: Int { tile.planes * outputPanels * kernels.rows * part + 16 }

  /// Elements of a slot's rows, split by columns of a tile, with zeros around them.
  var borderCount: Int {
    let rows = min((block - 1) / across + 2, tilesPerImage / across)
    return kernels.elements * (tile.width + 2) * tile.height * ((rows + 1) * across + 32)
  }

  /// Elements of scratch memory that one thread needs.
  var scratchCount: Int { max(weightCount + productCount, borderCount) }

  func byteCount(threads: Int) -> Int {
    SharedScratch<Float>.byteCount(inputCount)
      + SlottedScratch<Float>.byteCount(scratchCount, threads: threads)
  }
}
