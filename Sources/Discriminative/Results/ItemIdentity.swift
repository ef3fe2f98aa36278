import Diffusion

/// What an item's terms depend on beside the model and its settings: the pixels and the captions' ids. Which pairs are
/// right plays no part.
struct ItemIdentity: Hashable {
  /// Digests, 32 hexadecimal digits each.
  var images, captions: [String]
}

/// Makes identities; the digests of captions and of whole files are kept.
final class ItemIdentities {
  private let tokenizers: PipelineTokenizers
  private let images: ImageSource
  /// The noise of posteriors, by an image's place in its item; empty where their means are taken.
  private let posteriors: (Int) -> [String]
  private var captions: [String: String] = [:]

  /// The digest that stands for a latent of zeros.
  static let zeros = "zeros"
  /// The digest of the empty caption.
  let empty: String

  /// - Parameter posteriors: digests of what `count` images' posteriors are sampled with; empty for means.
  init(_ tokenizers: PipelineTokenizers, _ images: ImageSource, posteriors: @escaping (Int) -> [String])
    throws
  {
    self.tokenizers = tokenizers
    self.images = images
    self.posteriors = posteriors
    empty = try ItemIdentities.digest(tokenizers, "")
  }

  /// - Throws: `DataError` without the item's place when an image cannot be read.
  func identity(_ item: EvaluationItem) throws -> ItemIdentity {
    let noise = posteriors(item.images.count)
    return ItemIdentity(
      images: try item.images.enumerated().map { place, image in
        try ItemIdentities.digest(image, images, noise: noise.isEmpty ? nil : noise[place])
      },
      captions: try item.texts.map { text in
        if let digest = captions[text] { return digest }
        let digest = try ItemIdentities.digest(tokenizers, text)
        captions[text] = digest
        return digest
      })
  }

  /// The digest of an image's pixels.
  /// - Parameter noise: the digest of what its posterior is sampled with; nil for the mean.
  static func digest(_ image: ImageReference, _ images: ImageSource, noise: String?) throws -> String {
    var hash = SHA256()
    try images.hash(image, into: &hash)
    if let noise { hash.update(noise) }
    return String(hash.hex.prefix(32))
  }

  private static func digest(_ tokenizers: PipelineTokenizers, _ text: String) throws -> String {
    var hash = SHA256()
    // The lengths of the lists are the model's.
    for (_, ids) in try tokenizers.ids(text).sorted(by: { $0.key < $1.key }) {
      for id in ids { hash.update(Int(id)) }
    }
    return String(hash.hex.prefix(32))
  }
}
