import Diffusion

/// What an item's terms depend on beside the model and its settings: the pixels and the captions' ids. Items with
/// equal keys have equal terms; which pairs are right plays no part.
final class ItemKey {
  let tokenizers: PipelineTokenizers
  let images: ImageSource
  private let empty: [[Int64]]
  /// A class's caption comes with every image.
  private var known: [String: [[Int64]]] = [:]

  init(_ tokenizers: PipelineTokenizers, _ images: ImageSource) throws {
    self.tokenizers = tokenizers
    self.images = images
    empty = ItemKey.sorted(try tokenizers.ids(""))
  }

  /// 32 hexadecimal digits of a digest.
  /// - Throws: `DataError` without the item's place when an image cannot be read.
  func hex(_ item: EvaluationItem) throws -> String {
    var hash = SHA256()
    hash.update(item.images.count)
    for image in item.images { try images.hash(image, into: &hash) }
    // The lengths of the lists are the model's.
    for caption in try item.texts.map(ids) + [empty] {
      for id in caption.joined() { hash.update(Int(id)) }
    }
    return String(hash.hex.prefix(32))
  }

  private func ids(_ text: String) throws -> [[Int64]] {
    if let ids = known[text] { return ids }
    let ids = ItemKey.sorted(try tokenizers.ids(text))
    known[text] = ids
    return ids
  }

  private static func sorted(_ ids: [String: [Int64]]) -> [[Int64]] {
    ids.sorted { $0.key < $1.key }.map(\.value)
  }
}
