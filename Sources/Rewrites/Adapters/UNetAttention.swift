import GraphIR

/// An attention layer of a UNet with its node.
struct UNetAttention {
  let layer: AttentionLayer
  let node: Node

  /// The name that adapters' files give the layer: `unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2`.
  var key: String { "unet.\(layer.name)" }

  /// The attention layers of the UNet: those whose names tell their block, or all where none does.
  /// - Throws: `DataError` when there are none.
  static func all(in graph: Graph) throws -> [UNetAttention] {
    let producer = graph.producers
    let found = graph.nodes.compactMap { node in
      AttentionLayer(node) { graph.dependencies(of: $0, producer: producer) }.map {
        UNetAttention(layer: $0, node: node)
      }
    }
    let placed = found.filter { $0.layer.place != nil }
    guard !found.isEmpty else {
      throw DataError(
        "the graph has no attention nodes to adapt: attention written out in primitives has to be recognised first"
      )
    }
    return placed.isEmpty ? found : placed
  }
}
