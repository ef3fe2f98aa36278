import Foundation
import GraphIR
import Interpreter

/// Reads the attention term of the DSD score (arXiv 2305.10722) at the cross-attention layers of a UNet.
///
/// For each selected layer, sweep position and batch element it keeps s_l, the mean over heads and query
/// positions of the pooled scores. Several of them, with other poolings or positions, can watch one run.
public final class AttentionScore: TwinHook {
  public let name = "attn-score"
  public let selection: LayerSelection
  public let pooling: Pooling
  public let positions: TextPositions
  /// Batch elements of a run.
  public let batch: Int

  /// The layers that are read, in the graph's order.
  public private(set) var layers: [AttentionLayer] = []
  private var chosen: [String: Int]?
  /// Of a matching job.
  private var records: ScoreRecords?
  /// Of other runs: `[layer][batch element]`.
  private var single: [SweepPosition: [[Double]]] = [:]
  private var grid: MatchingGrid?
  /// By text index, the text positions that are read there; nil means all.
  private var spans: [[Range<Int>?]] = []

  /// - Parameter positions: `content` needs a matching job, which knows the captions.
  public init(
    selection: LayerSelection = .official, pooling: Pooling = .logsumexp, positions: TextPositions = .all,
    batch: Int = 1
  ) {
    self.selection = selection
    self.pooling = pooling
    self.positions = positions
    self.batch = batch
  }

  /// A hook that reads the same nodes of a plan beside this one's.
  func twin() -> AttentionScore {
    let twin = AttentionScore(selection: selection, pooling: pooling, positions: positions, batch: batch)
    twin.layers = layers
    twin.chosen = chosen
    return twin
  }

  func absorb(_ twin: AttentionScore) {
    guard let others = twin.records else { return }
    if records == nil { records = others } else { records!.absorb(others) }
  }

  /// - Throws: `DataError` when a caption without words is to be read at its words.
  public func willMatch(_ grid: MatchingGrid) throws {
    self.grid = grid
    records = nil
    guard positions == .content else { return }
    for caption in grid.texts where caption.content.isEmpty {
      throw DataError("--positions content: the caption “\(caption.text)” has no tokens of its own")
    }
    // The empty caption is read at the positions of each caption that it may stand beside.
    var all: [Range<Int>?] = []
    for caption in grid.texts where !all.contains(caption.content) { all.append(caption.content) }
    spans = grid.captions.indices.map { $0 == grid.emptyCaption ? all : [grid.captions[$0].content] }
  }

  public func selects(_ node: Node, in context: HookContext) throws -> Demand? {
    if chosen == nil {
      guard positions == .all || grid != nil else {
        throw DataError("attn-score: content positions need captions (--image and --text)")
      }
      layers = try selection.select(from: AttentionLayer.all(in: context))
      chosen = Dictionary(layers.enumerated().map { ($1.node, $0) }, uniquingKeysWith: { first, _ in first })
    }
    return chosen![node.name] == nil ? nil : pooling.demand(over: positions)
  }

  public func didRun(_ node: Node, _ values: inout [Tensor], at position: SweepPosition) throws {
    guard let layer = chosen?[node.name] else { return }
    let pooled = try pooling.pool(values, node, batch: batch, over: spans(at: position))
    guard let grid else {
      single[position, default: Array(repeating: [], count: layers.count)][layer] = pooled[0]
      return
    }
    if records == nil {
      records = ScoreRecords(grid, layers: layers.count, spans: spans.lazy.map(\.count).max() ?? 1)
    }
    // A matching job's runs have one element.
    _ = records!.set(pooled.map { $0[0] }, at: position, layer: layer)
  }

  private func spans(at position: SweepPosition) throws -> [Range<Int>?] {
    guard positions == .content else { return [nil] }
    guard let text = position[.text] else {
      throw DataError("attn-score: content positions need layers that depend on the caption")
    }
    return spans[text]
  }

  /// s_l at a position for each layer and batch element.
  /// - Parameter text: for the empty caption read over content positions, the index of the caption whose
  ///   positions are meant.
  /// - Throws: `DataError` when a layer did not run there.
  public func layerScores(
    at position: SweepPosition = SweepPosition(), positionsOf text: Int? = nil
  ) throws -> [[Double]] {
    if grid == nil, let found = single[position], found.allSatisfy({ !$0.isEmpty }) { return found }
    var span = 0
    if positions == .content, let own = position[.text], own == grid?.emptyCaption {
      guard let text, let found = spans[own].firstIndex(of: spans[text][0]) else {
        throw DataError("attn-score: the empty caption has no positions of its own")
      }
      span = found
    }
    return try layers.indices.map { layer in
      guard let value = records?.reading(at: position, layer: layer, span: span) else {
        throw DataError("attn-score: not every selected layer depends on image, text and timestep")
      }
      return [value]
    }
  }
}
