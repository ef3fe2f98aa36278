import Foundation

/// An evaluation's table for people, as text or in Markdown.
public struct EvaluationReport {
  /// Lines about the run, such as its timesteps.
  public var notes: [String]
  public var table: EvaluationTable
  /// Whether Winoground's scores are shown: of items that are right as a whole.
  public var showsWholeItems: Bool

  public init(notes: [String], table: EvaluationTable, showsWholeItems: Bool = false) {
    self.notes = notes
    self.table = table
    self.showsWholeItems = showsWholeItems
  }

  /// A table for each task, in aligned columns.
  public var text: String {
    let blocks = table.groups.map { group in
      let (header, rows) = cells(group)
      var text = TextTable(header, right: Set(header.indices.dropFirst(3)))
      text.rows += rows
      return "\(title(group))\n\(text.text)"
    }
    return ([notes.joined(separator: "\n")] + blocks).joined(separator: "\n\n")
  }

  /// A table for each task, in Markdown.
  public var markdown: String {
    let blocks = table.groups.map { group in
      let (header, rows) = cells(group)
      let rule = header.indices.map { $0 < 3 ? "---" : "--:" }
      let lines = ([header, rule] + rows).map { "| " + $0.map(escaped).joined(separator: " | ") + " |" }
      return "**\(escaped(title(group)))**\n\n" + lines.joined(separator: "\n")
    }
    return ([notes.map { "- \(escaped($0))" }.joined(separator: "\n")] + blocks).joined(separator: "\n\n")
      + "\n"
  }

  private func escaped(_ text: String) -> String {
    Terminal.printable(text).replacing("\n", with: " ").replacing("|", with: "\\|")
  }

  private func title(_ group: EvaluationTable.Group) -> String {
    let name = group.task + (group.category.map { ", \($0)" } ?? "")
    var parts = ["\(name)\(group.isHeldOut ? " (held out)" : ""): \(group.items) items"]
    for section in group.directions {
      let (low, high) = (section.choices[0], section.choices[1])
      parts.append(
        "\(section.direction): \(section.questions) questions of \(low == high ? "\(low)" : "\(low) to \(high)") "
          + "choices, chance \(EvaluationReport.number(section.chance))")
    }
    if group.directions.isEmpty { parts.append("no question has a wrong alternative") }
    return parts.joined(separator: "; ")
  }

  private func cells(_ group: EvaluationTable.Group) -> (header: [String], rows: [[String]]) {
    var header = ["term", "attention", "layers"]
    for section in group.directions {
      header += [section.direction, "ties"]
      if section.choices[1] > 5 { header.append("R@5") }
      if showsWholeItems { header.append("\(section.isOfCaptions ? "text" : "image") score") }
    }
    if showsWholeItems { header.append("group score") }
    let rows = table.choices.enumerated().map { place, choice in
      let way = choice.head.map { "head \($0.head.name)" } ?? choice.variant?.description ?? ""
      var row = [choice.terms.rawValue, way, choice.layers?.name ?? ""]
      for section in group.directions {
        let result = section.results[place]
        row += [EvaluationReport.interval(result?.accuracy), result.map { "\($0.ties)" } ?? "–"]
        if section.choices[1] > 5 { row.append(EvaluationReport.interval(result?.recallAt5)) }
        if showsWholeItems { row.append(EvaluationReport.interval(result?.allRight)) }
      }
      if showsWholeItems { row.append(EvaluationReport.interval(group.group?[place])) }
      return row
    }
    return (header, rows)
  }

  private static func interval(_ value: Bootstrap.Proportion?) -> String {
    guard let value else { return "–" }
    return "\(number(value.value)) [\(number(value.low)), \(number(value.high))]"
  }

  private static func number(_ value: Double) -> String { String(format: "%.3f", value) }
}

extension EvaluationTable.Section {
  fileprivate var isOfCaptions: Bool { direction == Question.Direction.captionsForImage.rawValue }
}
