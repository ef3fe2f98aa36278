import GraphIR

/// Which cross-attention layers the score reads.
public enum LayerSelection: Sendable, Equatable, CustomStringConvertible {
  /// In each of the UNet's three parts, of the last block that has cross-attention, every attention module's
  /// last transformer block: what the official code reads.
  case official
  case all
  /// Layers whose name matches one of the patterns.
  case matching([Glob])

  /// `official`, `all`, or patterns separated by commas.
  public init(_ text: String) {
    switch text {
    case "official": self = .official
    case "all": self = .all
    default: self = .matching(text.split(separator: ",").map { Glob(String($0)) })
    }
  }

  /// The text that `init` takes.
  public var description: String {
    switch self {
    case .official: "official"
    case .all: "all"
    case .matching(let globs): globs.map(\.description).joined(separator: ",")
    }
  }

  /// The selected layers, in the order given.
  /// - Throws: `DataError` when nothing is selected.
  public func select(from layers: [AttentionLayer]) throws -> [AttentionLayer] {
    let cross = layers.filter { $0.role == .cross }
    guard !cross.isEmpty else { throw DataError("the graph has no cross-attention layers to score with") }
    let chosen: [AttentionLayer]
    switch self {
    case .all: chosen = cross
    case .matching(let globs):
      chosen = cross.filter { layer in globs.contains { $0.matches(layer.name) } }
      guard !chosen.isEmpty else {
        throw DataError(
          "--layers: no cross-attention layer matches '\(globs.map(\.description).joined(separator: ","))'; "
            + "the first of \(cross.count) is '\(cross[0].name)'")
      }
    case .official:
      chosen = LayerSelection.official(cross)
      guard !chosen.isEmpty else {
        throw DataError(
          "--layers official: layer names such as '\(cross[0].name)' do not tell their block; use all or a pattern"
        )
      }
    }
    return chosen
  }

  private static func official(_ layers: [AttentionLayer]) -> [AttentionLayer] {
    let placed = layers.compactMap { layer in layer.place.map { (layer, $0) } }
    var lastBlock: [String: Int] = [:]
    for (_, place) in placed { lastBlock[place.part] = max(lastBlock[place.part] ?? 0, place.block) }
    let inLast = placed.filter { $0.1.block == lastBlock[$0.1.part] }
    var lastTransformer: [String: Int] = [:]
    for (_, place) in inLast {
      let module = "\(place.part).\(place.attention)"
      lastTransformer[module] = max(lastTransformer[module] ?? 0, place.transformerBlock)
    }
    return inLast.filter { $0.1.transformerBlock == lastTransformer["\($0.1.part).\($0.1.attention)"] }
      .map(\.0)
  }
}
