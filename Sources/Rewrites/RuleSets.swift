extension RuleSet {
  /// Brings graphs from elsewhere back to canonical operators.
  public static let recognition = RuleSet("recognition", Rule.attention + [.transposeOfTranspose])

  /// Joins operators into fewer and faster ones.
  public static let fusion = RuleSet("fusion", [.linearWithBias, .linear, .silu])
}
