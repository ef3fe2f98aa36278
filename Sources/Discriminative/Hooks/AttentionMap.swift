import Foundation
import GraphIR
import Interpreter

/// Gathers where in an image each word of a caption draws attention: the cross-attention probabilities of the
/// word's tokens at every query, as the mean over heads, layers and timesteps.
///
/// A layer's queries are a grid over the latent, halved as often as the layer is deep; it is enlarged to the
/// latent's grid (bilinear) before the mean over layers.
public final class AttentionMap: TwinHook {
  public let name = "attn-map"
  public let selection: LayerSelection
  /// Over which text positions the probabilities of a query add up to 1.
  public let positions: TextPositions
  /// What the maps are told relative to.
  public let relative: Relative

  public enum Relative: String, Sendable, CaseIterable {
    case none
    /// The mean over the caption's words.
    case words
    /// The empty caption's map at the same text positions.
    case emptyCaption = "empty-caption"
  }

  /// The layers that are read, in the graph's order.
  public private(set) var layers: [AttentionLayer] = []
  private var chosen: [String: (layer: Int, givesProbabilities: Bool)]?
  private var grid: MatchingGrid?
  /// `[words, height, width]`, summed over layers and timesteps.
  private var sums: [Key: [Double]] = [:]
  private var read: Set<Reading> = []
  /// How many layers and timesteps have been read, by image and text.
  private var readings: [[Int]: Int] = [:]

  /// A pair, or the empty caption on an image, read at the caption's positions.
  private struct Key: Hashable {
    let image, text: Int
    let isEmpty: Bool
  }

  private struct Reading: Hashable {
    let position: SweepPosition
    let layer: Int
  }

  /// - Parameter selection: all layers by default: the finer ones draw edges, the coarser ones know better what
  ///   is where, and which do what differs among checkpoints.
  public init(
    selection: LayerSelection = .all, positions: TextPositions = .all, relative: Relative = .none
  ) {
    self.selection = selection
    self.positions = positions
    self.relative = relative
  }

  func twin() -> AttentionMap {
    let twin = AttentionMap(selection: selection, positions: positions, relative: relative)
    twin.layers = layers
    twin.chosen = chosen
    return twin
  }

  func absorb(_ twin: AttentionMap) {
    sums.merge(twin.sums) { own, _ in own }
    read.formUnion(twin.read)
    readings.merge(twin.readings) { own, _ in own }
  }

  /// Whether the job has to run the empty caption.
  public var needsEmptyCaption: Bool { relative == .emptyCaption }

  /// Bytes that the maps of a job may take.
  private static let limit = 4 << 30

  /// - Throws: `DataError` for a caption without words, and when the maps of so many pairs do not fit.
  public func willMatch(_ grid: MatchingGrid) throws {
    forget()
    self.grid = grid
    for caption in grid.texts where caption.words.isEmpty {
      throw DataError("attn-map: the caption “\(caption.text)” has no words")
    }
    guard !needsEmptyCaption || grid.emptyCaption != nil else {
      throw DataError("attn-map: the job does not run the empty caption")
    }
    var bytes = grid.images.count
    let words = grid.texts.reduce(0) { $0 + $1.words.count }
    for factor in [words, grid.latentHeight, grid.latentWidth, needsEmptyCaption ? 16 : 8] {
      let (product, overflow) = bytes.multipliedReportingOverflow(by: factor)
      guard !overflow, product <= AttentionMap.limit else {
        throw DataError("attn-map: the maps of so many images and captions need more than 4 GB; give fewer")
      }
      bytes = product
    }
  }

  /// Gives back the memory of a job's maps, once they have been asked for.
  public func forget() {
    grid = nil
    sums = [:]
    read = []
    readings = [:]
  }

  public func selects(_ node: Node, in context: HookContext) throws -> Demand? {
    if chosen == nil {
      guard grid != nil else { throw DataError("attn-map needs captions (--image and --text)") }
      layers = try selection.select(from: AttentionLayer.all(in: context))
      chosen = [:]
      for (place, layer) in layers.enumerated() { chosen![layer.node] = (place, false) }
    }
    guard chosen![node.name] != nil else { return nil }
    // Scores go together with what attn-score wants of the same node. A node that already names its
    // probabilities cannot give scores as well.
    let type = context.operators.type(node.op, domain: node.domain)
    let givesScores = type?.exposing(.scores, of: node, as: "scores") != nil
    chosen![node.name]!.givesProbabilities = !givesScores
    return Demand(forms: givesScores ? [.scores, .logSumExp] : [.probabilities])
  }

  public func didRun(_ node: Node, _ values: inout [Tensor], at position: SweepPosition) throws {
    guard let (layer, givesProbabilities) = chosen?[node.name], let grid else { return }
    let image = position[.image] ?? 0
    let text = position[.text] ?? 0
    guard image != grid.pureNoise, text != grid.emptyCaption || needsEmptyCaption,
      read.insert(Reading(position: position, layer: layer)).inserted
    else { return }
    readings[[image, text], default: 0] += 1
    let wide = values.map { $0.converted(to: .float32) }
    let probabilities = AttentionProbabilities(
      wide[0], logSumExp: givesProbabilities ? nil : wide[1])
    let (height, width) = try grid.queryGrid(probabilities.queries, node.label)
    let isEmpty = text == grid.emptyCaption
    for caption in isEmpty ? Array(grid.texts.indices) : [text] {
      let words = grid.captions[caption].words.map(\.positions)
      let content = grid.captions[caption].content
      guard content.upperBound <= probabilities.keys else {
        throw DataError(
          "\(node.label): has \(probabilities.keys) text positions, "
            + "the caption reaches to \(content.upperBound)")
      }
      let maps = probabilities.maps(of: words, among: positions == .content ? content : nil)
      let key = Key(image: image, text: caption, isEmpty: isEmpty)
      let area = grid.latentHeight * grid.latentWidth
      var sum = sums.removeValue(forKey: key) ?? [Double](repeating: 0, count: maps.count * area)
      for (word, map) in maps.enumerated() {
        let plane = Plane(width: width, height: height, values: map)
          .resized(width: grid.latentWidth, height: grid.latentHeight, .linear)
        for i in 0..<area { sum[word * area + i] += plane.values[i] }
      }
      sums[key] = sum
    }
  }

  /// The maps of a pair, when the job has run.
  /// - Throws: `DataError` when a layer did not run at every timestep of the pair.
  public func maps(image: Int, text: Int) throws -> WordMaps {
    guard let grid, image < grid.images.count, grid.texts.indices.contains(text) else {
      throw DataError("attn-map: there is no image \(image) with a caption \(text)")
    }
    var planes = try planes(Key(image: image, text: text, isEmpty: false), grid)
    switch relative {
    case .none: break
    case .words:
      let area = planes[0].values.count
      for i in 0..<area {
        let mean = planes.reduce(0) { $0 + $1.values[i] } / Double(planes.count)
        for word in planes.indices { planes[word].values[i] -= mean }
      }
    case .emptyCaption:
      let base = try self.planes(Key(image: image, text: text, isEmpty: true), grid)
      for word in planes.indices {
        for i in planes[word].values.indices { planes[word].values[i] -= base[word].values[i] }
      }
    }
    return WordMaps(
      image: grid.images[image], caption: grid.captions[text].text, words: grid.captions[text].words,
      planes: planes, layers: layers.map(\.name), timesteps: grid.timesteps, positions: positions,
      relative: relative)
  }

  private func planes(_ key: Key, _ grid: MatchingGrid) throws -> [Plane] {
    let text = key.isEmpty ? grid.emptyCaption! : key.text
    let readings = readings[[key.image, text]] ?? 0
    guard let sum = sums[key], readings == layers.count * grid.timesteps.count else {
      throw DataError("attn-map: not every selected layer depends on image, text and timestep")
    }
    let area = grid.latentHeight * grid.latentWidth
    return stride(from: 0, to: sum.count, by: area).map { start in
      Plane(
        width: grid.latentWidth, height: grid.latentHeight,
        values: sum[start..<start + area].map { $0 / Double(readings) })
    }
  }
}
