import Foundation

/// What is kept of one pass of the UNet: a few numbers for an image, a caption and a noise level.
public enum Quantity: Sendable, Hashable {
  /// ‖ε − ε̂‖₂, one number.
  case error
  /// The same of the model's raw output, as the official code takes it for models that predict velocity.
  case rawError
  /// s_l of all cross-attention layers, read at the caption's positions.
  case attention(AttentionVariant)
  /// s_l of the empty caption's pass, read at the caption's positions.
  case emptyCaption(AttentionVariant)
  /// The mean log-sum-exp of each attention head, layer after layer.
  case heads

  /// As it is written in a file.
  public var name: String {
    switch self {
    case .error: "error"
    case .rawError: "raw error"
    case .attention(let variant): "attention \(variant)"
    case .emptyCaption(let variant): "empty caption \(variant)"
    case .heads: "heads"
    }
  }

  /// Nil for a name that stands for none.
  public init?(name: String) {
    func variant(after prefix: String) -> AttentionVariant? {
      name.hasPrefix(prefix) ? AttentionVariant(String(name.dropFirst(prefix.count))) : nil
    }
    switch name {
    case "error": self = .error
    case "raw error": self = .rawError
    case "heads": self = .heads
    default:
      if let variant = variant(after: "attention ") {
        self = .attention(variant)
      } else if let variant = variant(after: "empty caption ") {
        self = .emptyCaption(variant)
      } else {
        return nil
      }
    }
  }
}

/// A quantity at a noise level of a run.
struct TermPlace: Hashable {
  /// Counts the run's noise levels.
  let step: Int
  let quantity: Quantity
}

/// All that is known of an image and a caption.
typealias PairTerms = [TermPlace: [Double]]

/// What one pass adds to what is known.
struct TermRecord {
  /// Digests of an image and of a caption.
  let image, caption: String
  /// The caption itself, for people.
  let text: String
  let place: TermPlace
  let values: [Double]
}

/// Where terms are kept, found by what they depend on.
protocol TermStore: AnyObject {
  func terms(image: String, caption: String) throws -> PairTerms
  /// Keeps all records or none; what is there already stays.
  func append(_ records: [TermRecord]) throws
}

/// Terms in memory alone.
final class TermsInMemory: TermStore {
  private struct Pair: Hashable { let image, caption: String }
  private let lock = NSLock()
  private var pairs: [Pair: PairTerms] = [:]

  func terms(image: String, caption: String) -> PairTerms {
    lock.withLock { pairs[Pair(image: image, caption: caption)] ?? [:] }
  }

  func append(_ records: [TermRecord]) {
    lock.withLock {
      for record in records {
        pairs[Pair(image: record.image, caption: record.caption), default: [:]][record.place] = record.values
      }
    }
  }
}
