extension RuleSet {
  /// Brings graphs from elsewhere back to canonical operators.
  public static let recognition = RuleSet(
    "recognition",
    Rule.noOperations + [.viewOfView, .transposeThroughViews, .transposeOfTranspose]
      + [.groupNormalization] + Rule.layerNormalization + [.rmsNormalization]
      + Rule.gelu + [.swish] + Rule.attention + [.attentionOfFoldedHeads])

  /// Joins operators into fewer and faster ones.
  public static let fusion = RuleSet(
    "fusion", [.linearWithBias, .linear, .linearOfTranspose, .silu] + Rule.geglu)
}
