/// The text positions that the attention term is read over.
public enum TextPositions: String, Sendable, CaseIterable {
  /// All of them: start, caption, end and padding.
  case all
  /// The caption's own tokens.
  case content
}
