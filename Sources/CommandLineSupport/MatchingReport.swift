import Foundation

/// A matching result as a table for people.
public enum MatchingReport {
  public static func table(_ result: MatchingResult) -> String {
    var table = TextTable(["image", "text", "score", "attention", "bias", ""], right: [2, 3, 4])
    for (i, image) in result.images.enumerated() {
      for (j, text) in result.texts.enumerated() {
        table.rows.append([
          j == 0 ? image : "", text, number(result.scores[i][j]), number(result.attention?[i][j]),
          number(result.bias?[i][j]), result.bestText[i] == j ? "← best" : "",
        ])
      }
    }
    return table.text
  }

  private static func number(_ value: Double?) -> String { value.map { String(format: "%.4f", $0) } ?? "–" }
}
