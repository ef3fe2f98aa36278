/// How the rows of a training batch stand for examples: for each example its candidates, for each candidate the
/// noise levels.
public struct ScoreLayout: Sendable, Hashable {
  public var examples: Int
  /// Of every example, the right one first.
  public var candidates: Int
  /// Noise levels whose scores are averaged.
  public var timesteps: Int
  /// Whether as many rows follow in which the empty caption stands beside the same images. The bias of candidates of
  /// one image has the same such term, which no comparison sees.
  public var hasEmptyRows: Bool

  public init(examples: Int, candidates: Int, timesteps: Int = 1, hasEmptyRows: Bool = false) {
    self.examples = examples
    self.candidates = candidates
    self.timesteps = timesteps
    self.hasEmptyRows = hasEmptyRows
  }

  /// Rows without those of the empty caption.
  public var pairs: Int { examples * candidates * timesteps }
  /// The batch of a run.
  public var rows: Int { hasEmptyRows ? 2 * pairs : pairs }
}
