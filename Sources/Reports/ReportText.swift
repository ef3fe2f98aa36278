import Discriminative
import Foundation

/// Names and numbers as all formats of a report write them.
enum ReportText {
  /// `both logsumexp/empty-caption official`
  static func name(_ choice: ScoreChoice) -> String {
    let way = choice.head.map { "head \($0.head.name)" } ?? choice.variant?.description
    return ([choice.terms.rawValue] + [way, choice.layers?.name].compactMap { $0 }.filter { !$0.isEmpty })
      .joined(separator: " ")
  }

  static func title(_ group: EvaluationTable.Group) -> String {
    "\(group.task)\(group.category.map { ", \($0)" } ?? "")\(group.isHeldOut ? " (held out)" : ""): \(group.items) items"
  }

  static func interval(_ value: Bootstrap.Proportion) -> String {
    "\(three(value.value)) [\(three(value.low)), \(three(value.high))]"
  }

  static func three(_ value: Double) -> String { String(format: "%.3f", value) }
}

/// A report's table for papers and for other programs.
public enum ReportFormats {
  /// A line for each group, direction and row: `task,category,held_out,items,direction,questions,chance,term,attention,
  /// layers,head,metric,value,low,high,ties,unusable`.
  public static func csv(_ table: EvaluationTable) -> String {
    var lines = [
      "task,category,held_out,items,direction,questions,chance,term,attention,layers,head,metric,value,low,high,ties,unusable"
    ]
    func field(_ text: String) -> String {
      guard text.unicodeScalars.contains(where: { [",", "\"", "\r", "\n"].contains($0) }) else { return text }
      var quoted = "".unicodeScalars
      for scalar in text.unicodeScalars { quoted += scalar == "\"" ? [scalar, scalar] : [scalar] }
      return "\"\(String(quoted))\""
    }
    forEach(table) { group, section, choice, metric, value, result in
      var fields = [group.task, group.category ?? "", "\(group.isHeldOut)", "\(group.items)"]
      fields += [section?.direction ?? "", section.map { "\($0.questions)" } ?? ""]
      fields += [section.map { "\($0.chance)" } ?? "", choice.terms.rawValue]
      fields += [choice.variant?.description ?? "", choice.layers?.name ?? "", choice.head?.head.name ?? ""]
      fields += [metric, "\(value.value)", "\(value.low)", "\(value.high)"]
      fields += [result.map { "\($0.ties)" } ?? "", result.map { "\($0.unusable)" } ?? ""]
      lines.append(fields.map(field).joined(separator: ","))
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// Every measured value of a table.
  private static func forEach(
    _ table: EvaluationTable,
    _ body: (
      EvaluationTable.Group, EvaluationTable.Section?, ScoreChoice, _ metric: String, Bootstrap.Proportion,
      EvaluationTable.Result?
    ) -> Void
  ) {
    for group in table.groups {
      for section in group.directions {
        for (choice, result) in zip(table.choices, section.results) {
          guard let result else { continue }
          body(group, section, choice, "accuracy", result.accuracy, result)
          if let recall = result.recallAt5 { body(group, section, choice, "recall@5", recall, result) }
          if let all = result.allRight { body(group, section, choice, "all right", all, result) }
        }
      }
      for (choice, value) in zip(table.choices, group.group ?? []) {
        if let value { body(group, nil, choice, "group score", value, nil) }
      }
    }
  }

  /// A `booktabs` tabular: a line for each row, a column for each group and direction, in percent.
  public static func latex(_ table: EvaluationTable) -> String {
    let columns = table.groups.flatMap { group in group.directions.map { (group, $0) } }
    func escaped(_ text: String) -> String {
      var result = ""
      for character in text.unicodeScalars {
        switch character {
        case "\\": result += "\\textbackslash{}"
        case "~": result += "\\textasciitilde{}"
        case "^": result += "\\textasciicircum{}"
        case "&", "%", "$", "#", "_", "{", "}": result += "\\\(character)"
        case "\n", "\r", "\t": result += " "
        default: result.unicodeScalars.append(character)
        }
      }
      return result
    }
    var lines = [
      "% \(Bootstrap.resamples) bootstrap draws over items, 95 % intervals; needs \\usepackage{booktabs}",
      "\\begin{tabular}{l\(String(repeating: "r", count: columns.count))}", "\\toprule",
    ]
    let heads = columns.map { group, section in
      let direction = section.direction.hasPrefix("captions") ? "text" : "image"
      return escaped(
        "\(group.task)\(group.category.map { " \($0)" } ?? "")\(group.isHeldOut ? " (held out)" : ""), \(direction)"
      )
    }
    lines.append("Score & \(heads.joined(separator: " & ")) \\\\")
    lines.append("\\midrule")
    for (row, choice) in table.choices.enumerated() {
      let cells = columns.map { _, section -> String in
        guard let value = section.results[row]?.accuracy else { return "--" }
        return String(
          format: "$%.1f_{[%.1f, %.1f]}$", value.value * 100, value.low * 100, value.high * 100)
      }
      lines.append("\(escaped(ReportText.name(choice))) & \(cells.joined(separator: " & ")) \\\\")
    }
    lines.append("\\midrule")
    let chances = columns.map { String(format: "%.1f", $0.1.chance * 100) }
    lines.append("chance & \(chances.joined(separator: " & ")) \\\\")
    return (lines + ["\\bottomrule", "\\end{tabular}"]).joined(separator: "\n") + "\n"
  }

  private struct Line: Encodable {
    let id, task: String
    let category: String?
    let held_out: Bool
    let images, texts: [String]
    let right: [[Int]]
    let wordings: Int
    /// By row of the table `[image][text]`; missing where a row means nothing.
    let scores: [String: [[Double]]]
  }

  /// Every item with its scores by row of the table, a JSON object a line.
  public static func jsonLines(_ evaluation: StoredEvaluation) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    return try evaluation.answered.map { item, terms in
      var scores: [String: [[Double]]] = [:]
      for (row, choice) in evaluation.choices.enumerated() {
        let name = ReportText.name(choice)
        // Two heads may have the same name.
        scores[scores[name] == nil ? name : "\(name) (row \(row + 1))"] = try choice.scores(
          terms, headCounts: evaluation.headCounts)
      }
      let line = Line(
        id: item.id, task: item.task, category: item.category, held_out: item.isHeldOut,
        images: item.images.map(\.description), texts: item.texts,
        right: item.right.map { [$0.image, $0.text] },
        wordings: item.wordings, scores: scores)
      return String(decoding: try encoder.encode(line), as: UTF8.self) + "\n"
    }.joined()
  }
}
