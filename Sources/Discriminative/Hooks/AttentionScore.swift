import Foundation
import GraphIR
import Interpreter

/// Reads the attention term of the DSD score (arXiv 2305.10722) at the cross-attention layers of a UNet.
///
/// For each selected layer, sweep position and batch element it keeps s_l, the mean over heads and query
/// positions of the pooled scores.
public final class AttentionScore: Hook {
  public let name = "attn-score"
  public let selection: LayerSelection
  public let pooling: Pooling
  /// Batch elements of a run.
  public let batch: Int

  /// The layers that are read, in the graph's order.
  public private(set) var layers: [AttentionLayer] = []
  private var chosen: [String: Int]?
  private var records: [SweepPosition: [[Double]]] = [:]

  public init(selection: LayerSelection = .official, pooling: Pooling = .logsumexp, batch: Int = 1) {
    self.selection = selection
    self.pooling = pooling
    self.batch = batch
  }

  public func selects(_ node: Node, in context: HookContext) throws -> Demand? {
    if chosen == nil {
      let unet = try AttentionScore.layers(of: context)
      layers = try selection.select(from: unet)
      chosen = Dictionary(layers.enumerated().map { ($1.node, $0) }, uniquingKeysWith: { first, _ in first })
    }
    return chosen![node.name] == nil ? nil : pooling.demand
  }

  public func didRun(_ node: Node, _ values: inout [Tensor], at position: SweepPosition) throws {
    guard let layer = chosen?[node.name] else { return }
    let pooled = try pooling.pool(values, node, batch: batch)
    records[position, default: Array(repeating: [], count: layers.count)][layer] = pooled
  }

  /// s_l at a position for each layer and batch element.
  /// - Throws: `DataError` when a layer did not run there.
  public func layerScores(at position: SweepPosition = SweepPosition()) throws -> [[Double]] {
    guard let found = records[position], found.allSatisfy({ !$0.isEmpty }) else {
      throw DataError("attn-score: not every selected layer depends on image, text and timestep")
    }
    return found
  }

  /// The attention layers of the graph.
  static func layers(of context: HookContext) throws -> [AttentionLayer] {
    context.graph.nodes.compactMap { AttentionLayer($0, in: context) }
  }
}
