/// A way to read the attention term: a pooling over some of the text positions, written `POOLING` or
/// `POOLING@content`.
public struct AttentionVariant: Sendable, Hashable, CustomStringConvertible {
  public var pooling: Pooling
  public var positions: TextPositions

  public init(_ pooling: Pooling, _ positions: TextPositions = .all) {
    self.pooling = pooling
    self.positions = positions
  }

  /// Nil when the text is not a variant's description.
  public init?(_ text: String) {
    let parts = text.split(separator: "@", omittingEmptySubsequences: false)
    guard parts.count <= 2, let pooling = Pooling(rawValue: String(parts[0])),
      let positions = parts.count < 2 ? .all : TextPositions(rawValue: String(parts[1]))
    else { return nil }
    self.init(pooling, positions)
  }

  public var description: String {
    positions == .all ? pooling.rawValue : "\(pooling.rawValue)@\(positions.rawValue)"
  }
}

/// A variant and what it is told relative to, written `VARIANT` or `VARIANT/NORMALIZATION`:
/// `mass@content/empty-caption`.
public struct NormalizedVariant: Sendable, Hashable, CustomStringConvertible {
  public var variant: AttentionVariant
  public var normalize: Normalization

  public init(_ variant: AttentionVariant, _ normalize: Normalization = .none) {
    self.variant = variant
    self.normalize = normalize
  }

  /// - Throws: `UsageError` that tells what there is.
  public init(_ text: String) throws {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard let variant = AttentionVariant(parts[0]) else {
      let names = Pooling.allCases.map(\.rawValue).joined(separator: ", ")
      throw UsageError("--variants: '\(parts[0])' is none of \(names), alone or with @content")
    }
    guard let normalize = parts.count < 2 ? Normalization.none : Normalization(rawValue: parts[1]) else {
      let names = Normalization.allCases.map(\.rawValue).joined(separator: ", ")
      throw UsageError("--variants: '\(parts[1])' is none of \(names)")
    }
    if variant.pooling == .mass, variant.positions == .all {
      throw UsageError("--variants: the mass on all positions is 1; use mass@content")
    }
    self.init(variant, normalize)
  }

  /// Variants separated by commas, each once.
  /// - Parameter normalize: what those without a normalization of their own are told relative to.
  /// - Throws: `UsageError` that tells what there is.
  public static func list(_ text: String, normalize: Normalization) throws -> [NormalizedVariant] {
    try text.split(separator: ",", omittingEmptySubsequences: false).reduce(into: []) { list, part in
      var variant = try NormalizedVariant(String(part))
      if variant.normalize == .none { variant.normalize = normalize }
      if !list.contains(variant) { list.append(variant) }
    }
  }

  public var description: String {
    normalize == .none ? variant.description : "\(variant)/\(normalize.rawValue)"
  }
}
