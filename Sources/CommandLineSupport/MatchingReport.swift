import Foundation

/// A matching result as a table for people.
public enum MatchingReport {
  public static func table(_ result: MatchingResult) -> String {
    var table = TextTable(
      ["image", "text", "score", "attention", "bias"] + (result.adaptive == nil ? [""] : ["timesteps", ""]),
      right: [2, 3, 4, 5])
    for (i, image) in result.images.enumerated() {
      for (j, text) in result.texts.enumerated() {
        table.rows.append(
          [
            j == 0 ? image : "", text, number(result.scores[i][j]), number(result.attention?[i][j]),
            number(result.bias?[i][j]),
          ] + (result.adaptive.map { ["\($0.timesteps[i][j])"] } ?? []) + [
            result.bestText[i] == j ? "← best" : ""
          ])
      }
    }
    guard let adaptive = result.adaptive else { return table.text }
    let share = 100 * Double(adaptive.passes) / Double(max(adaptive.allPasses, 1))
    return table.text
      + String(
        format: "\n%d of %d passes (%.0f %%), error rate %g", adaptive.passes, adaptive.allPasses, share,
        adaptive.errorRate)
  }

  private static func number(_ value: Double?) -> String { value.map { String(format: "%.4f", $0) } ?? "–" }
}
