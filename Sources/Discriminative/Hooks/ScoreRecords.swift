import Interpreter

/// What an attention score has read in a matching job, by image, text and timestep: a few numbers a position, whatever
/// the number of positions.
struct ScoreRecords {
  private struct Block {
    var values: [Double]
    var isKnown: [Bool]
  }

  private var blocks: [Int: Block] = [:]
  private let texts, timesteps, layers: Int
  /// Readings of a layer at a position, at most.
  private let spans: Int

  init(_ grid: MatchingGrid, layers: Int, spans: Int) {
    texts = grid.captions.count
    timesteps = grid.timesteps.count
    self.layers = layers
    self.spans = spans
  }

  /// Where a layer's readings at a position are; nil when the position is not one of a pair at a timestep.
  private func place(_ position: SweepPosition, _ layer: Int) -> (image: Int, place: Int)? {
    guard let image = position[.image], let text = position[.text], let timestep = position[.timestep]
    else { return nil }
    return (image, (text * timesteps + timestep) * layers + layer)
  }

  /// - Returns: false when the position is not one of a pair at a timestep.
  mutating func set(_ readings: [Double], at position: SweepPosition, layer: Int) -> Bool {
    guard let (image, place) = place(position, layer) else { return false }
    let count = texts * timesteps * layers
    var block =
      blocks.removeValue(forKey: image)
      ?? Block(
        values: Array(repeating: .nan, count: count * spans), isKnown: Array(repeating: false, count: count))
    block.isKnown[place] = true
    for (span, value) in readings.enumerated() { block.values[place * spans + span] = value }
    blocks[image] = block
    return true
  }

  /// A layer's reading; nil where it did not run.
  func reading(at position: SweepPosition, layer: Int, span: Int) -> Double? {
    guard let (image, place) = place(position, layer), let block = blocks[image], block.isKnown[place]
    else { return nil }
    return block.values[place * spans + span]
  }

  /// Takes over what another one has of other images.
  mutating func absorb(_ other: ScoreRecords) { blocks.merge(other.blocks) { own, _ in own } }
}
