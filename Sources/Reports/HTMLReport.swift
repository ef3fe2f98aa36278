import Discriminative
import Foundation

/// A report as one HTML file that asks for nothing outside itself.
public struct HTMLReport {
  /// A picture in the page.
  public struct Pictures {
    /// The bytes of a PNG file for an image of an item and what it is found by; nil where it is not to be had.
    public var image: (ImageReference, String) -> [UInt8]?
    /// For an item and what its images are found by, PNG files with what the words of its right captions look at, each with a label.
    public var maps: (EvaluationItem, [String]) throws -> [(label: String, png: [UInt8])]

    public init(
      image: @escaping (ImageReference, String) -> [UInt8]?,
      maps: @escaping (EvaluationItem, [String]) throws -> [(label: String, png: [UInt8])] = { _, _ in [] }
    ) {
      self.image = image
      self.maps = maps
    }
  }

  let data: ReportData
  let title: String
  let pictures: Pictures
  /// Items of each kind to show.
  let shown: Int

  /// - Parameter shown: how many of the best, the worst and the closest items are shown.
  public init(_ data: ReportData, title: String, pictures: Pictures, shown: Int = 6) {
    self.data = data
    self.title = title
    self.pictures = pictures
    self.shown = shown
  }

  /// The whole page.
  public func page() throws -> String {
    let sections: [(id: String, name: String, body: HTML)] = [
      ("accuracy", "Accuracy", accuracy), ("levels", "Noise levels", levels), ("scores", "Scores", scores),
      ("answers", "Answers", answers), ("items", "Items", try items()), ("settings", "Settings", settings),
    ].filter { !$0.2.source.isEmpty }
    let links = sections.map { section -> HTML in "<a href=\"#\(section.id)\">\(section.name)</a>" }
    let bodies = sections.map { section -> HTML in
      "<h2 id=\"\(section.id)\">\(section.name)</h2>\n\(section.body)\n"
    }
    let page: HTML = """
      <!DOCTYPE html>
      <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
      <link rel="icon" href="data:,"><title>\(title)</title>
      <style>\(HTML(verbatim: HTMLReport.style))</style></head>
      <body><main><h1>\(title)</h1>
      <p class="soft">\(summary)</p><nav>\(links)</nav>
      \(bodies)</main></body></html>

      """
    return page.source
  }

  private var summary: String {
    let evaluation = data.evaluation
    var parts = ["\(evaluation.answered.count) items"]
    if evaluation.unanswered > 0 { parts.append("\(evaluation.unanswered) more are not run yet") }
    let bad = evaluation.run.description.bad.count
    if bad > 0 { parts.append("\(bad) bad rows left out") }
    parts.append("noise levels \(evaluation.timesteps.map(String.init).joined(separator: ", "))")
    parts.append("95 % intervals over items, \(Bootstrap.resamples) bootstrap draws")
    return parts.joined(separator: "; ")
  }

  /// A row's name, such as `both logsumexp official`.
  private func name(_ row: Int) -> String { ReportText.name(data.table.choices[row]) }

  // MARK: Accuracy

  /// Whether Winoground's scores are shown: of items that are right as a whole.
  private var showsWholeItems: Bool { data.evaluation.run.description.origin.dataset == "winoground" }

  private var accuracy: HTML {
    let blocks = data.table.groups.map { group -> HTML in
      let chances = group.directions.map {
        "\($0.direction): \($0.questions) questions, chance \(Charts.percent($0.chance))"
      }
      let rows = data.table.choices.indices.map { row -> HTML in
        let marks: HTML = row == data.row ? " class=\"chosen\"" : ""
        let columns = group.directions.map { cells($0, row) }
        let whole: HTML = showsWholeItems ? cell(group.group?[row]) : ""
        return
          "<tr\(marks)><td class=\"n\">\(row + 1)</td><td class=\"name\">\(name(row))</td>\(columns)\(whole)</tr>"
      }
      return """
        <h3>\(ReportText.title(group))</h3><p class="soft">\(chances.joined(separator: "; "))</p>
        <div class="scroll"><table><tr><th class="n">row</th><th>score</th>\(heads(group))</tr>\(rows)</table></div>
        """
    }
    return """
      <p>How often the right choice is above every wrong one. A tie counts as wrong. Whiskers are intervals, the dashed line
      is chance; figures and items below are of row \(data.row + 1).</p><section class="card">\(blocks)</section>
      """
  }

  private func heads(_ group: EvaluationTable.Group) -> [HTML] {
    var heads: [HTML] = []
    for section in group.directions {
      heads.append("<th colspan=\"2\">\(section.direction)</th><th class=\"n\">ties</th>")
      if section.choices[1] > 5 { heads.append("<th class=\"n\">R@5</th>") }
      if showsWholeItems {
        let isText = section.direction == Question.Direction.captionsForImage.rawValue
        heads.append("<th class=\"n\">\(isText ? "text score" : "image score")</th>")
      }
    }
    if showsWholeItems { heads.append("<th class=\"n\">group score</th>") }
    return heads
  }

  private func cells(_ section: EvaluationTable.Section, _ row: Int) -> HTML {
    let result = section.results[row]
    let figure: HTML = result.map { Charts.interval($0.accuracy, chance: section.chance) } ?? ""
    let recall: HTML = section.choices[1] > 5 ? cell(result?.recallAt5) : ""
    let whole: HTML = showsWholeItems ? cell(result?.allRight) : ""
    return """
      \(cell(result?.accuracy))<td>\(figure)</td><td class="n">\(result.map { "\($0.ties)" } ?? "")</td>\(recall)\(whole)
      """
  }

  private func cell(_ value: Bootstrap.Proportion?) -> HTML {
    "<td class=\"n\">\(value.map { ReportText.interval($0) } ?? "–")</td>"
  }

  // MARK: Figures

  private var levels: HTML {
    guard !data.curves.isEmpty else { return "" }
    let figures = data.curves.map { curve -> HTML in
      """
      <figure><figcaption>\(curve.name)<span class="legend"><i class="first"></i>first levels together\
      <i class="second"></i>a level alone</span></figcaption>\(Charts.curve(curve, timesteps: data.evaluation.timesteps))</figure>
      """
    }
    return """
      <p>\(name(data.row)): accuracy with the first 1, 2, … noise levels, and with each alone.</p>
      <div class="grid2">\(figures)</div>
      """
  }

  private var scores: HTML {
    var tasks: [String] = []
    for answer in data.answers where !tasks.contains(answer.item.task) { tasks.append(answer.item.task) }
    let figures = tasks.map { task -> HTML in
      let own = data.answers.filter { $0.item.task == task }
      let margins = own.flatMap(\.margins)
      var (right, wrong): ([Double], [Double]) = ([], [])
      for answer in own {
        let rights = Set(answer.item.right)
        let scores = ReportData.captionScores(answer.item, answer.scores)
        for image in scores.indices {
          for text in scores[image].indices {
            if rights.contains(.init(image: image, text: text)) {
              right.append(scores[image][text])
            } else {
              wrong.append(scores[image][text])
            }
          }
        }
      }
      return """
        \(Charts.histogram("\(task): the right choice less the best wrong one", margins.filter { $0 > 0 }, margins.filter { !($0 > 0) }, names: ("right", "wrong"), label: "margin", centred: true))
        \(Charts.histogram("\(task): scores of pairs", right, wrong, names: ("that belong together", "that do not"), label: "score"))
        """
    }
    return "<p>\(name(data.row))</p><div class=\"grid2\">\(figures)</div>"
  }

  private var answers: HTML {
    let ranks = data.ranks.map { Charts.ranks($0) }
    let matrices = data.confusions.map { Charts.matrix($0) }
    guard !ranks.isEmpty || !matrices.isEmpty else { return "" }
    return "<p>\(name(data.row))</p>\(matrices)<div class=\"grid2\" style=\"margin-top:16px\">\(ranks)</div>"
  }

  // MARK: Items

  private func items() throws -> HTML {
    let asked = data.answers.filter { !$0.margins.isEmpty && $0.margin.isFinite }
    guard shown > 0, !asked.isEmpty else { return "" }
    let sorted = asked.sorted { ($0.margin, $1.item.id) > ($1.margin, $0.item.id) }
    let best = sorted.prefix(shown).filter { $0.margin > 0 }
    let worst = sorted.reversed().prefix(shown).filter { !($0.margin > 0) }
    let closest = asked.sorted { (abs($0.margin), $0.item.id) < (abs($1.margin), $1.item.id) }.prefix(shown)
    let kinds: [(String, [ReportData.Answer])] = [
      ("Best: right by the largest margin", Array(best)),
      ("Worst: wrong by the largest margin", Array(worst)),
      ("Closest", Array(closest)),
    ]
    let blocks = try kinds.filter { !$0.1.isEmpty }.map { kind, answers -> HTML in
      "<h3>\(kind)</h3>\(try answers.map(item))"
    }
    return "<p>\(name(data.row)); an outline marks what belongs together.</p>\(blocks)"
  }

  /// At most so many images and captions of an item are shown.
  private static let sideLimit = 12

  private func item(_ answer: ReportData.Answer) throws -> HTML {
    let item = answer.item
    let isRight = answer.margin > 0
    let rights = Set(item.right)
    let images = HTMLReport.chosen(item.images.count, with: item.right.map(\.image))
    let texts = HTMLReport.chosen(
      item.texts.count, with: item.right.map { $0.text * item.wordings })
    let heads = images.map { image -> HTML in
      guard let png = pictures.image(item.images[image], answer.images[image]) else {
        return "<th scope=\"col\">\(item.images[image].description)</th>"
      }
      return """
        <th scope="col"><img alt="\(item.images[image].description)" title="\(item.images[image].description)" src="\(HTMLReport.uri(png))"></th>
        """
    }
    let rows = texts.map { text -> HTML in
      let cells = images.map { image -> HTML in
        let isPair = rights.contains(.init(image: image, text: text / item.wordings))
        let parts = [("attention", answer.attention), ("bias", answer.bias)].compactMap { name, values in
          values.map { "\(name) \(Charts.number($0[image][text]))" }
        }
        return """
          <td class="n\(isPair ? " right-pair" as HTML : "")">\(Charts.number(answer.scores[image][text]))\
          <span class="parts">\(parts.count > 1 ? parts.joined(separator: ", ") : "")</span></td>
          """
      }
      return "<tr><td>\(item.texts[text])</td>\(cells)</tr>"
    }
    let left = max(item.images.count, item.texts.count) - HTMLReport.sideLimit
    let maps = try pictures.maps(item, answer.images).map { map -> HTML in
      "<div class=\"maps\"><img alt=\"\(map.label)\" src=\"\(HTMLReport.uri(map.png))\"></div>"
    }
    return """
      <section class="card item"><header><b>\(item.id)</b><span class="soft">\(item.task)\(item.category.map { ", \($0)" } ?? "")\(item.isHeldOut ? ", held out" : "")</span>\
      <span class="badge \(isRight ? "right" as HTML : "wrong")">\(isRight ? "right" : "wrong")</span><span class="soft">margin \(Charts.number(answer.margin))</span></header>
      <div class="scroll"><table><tr><th></th>\(heads)</tr>\(rows)</table></div>\(left > 0 ? "<p class=\"soft\">and \(left) more</p>" as HTML : "")\(maps)</section>
      """
  }

  /// The first places, those that must not be missing among them.
  private static func chosen(_ count: Int, with needed: [Int]) -> [Int] {
    var chosen = Set(needed.prefix(sideLimit))
    for place in 0..<count where chosen.count < sideLimit { chosen.insert(place) }
    return chosen.sorted()
  }

  private static func uri(_ png: [UInt8]) -> HTML {
    HTML(verbatim: "data:image/png;base64,\(Data(png).base64EncodedString())")
  }

  // MARK: Settings

  private var settings: HTML {
    let evaluation = data.evaluation
    let about = evaluation.run.description
    let origin = about.origin
    var facts: [(String, String)] = [
      ("graph", origin.graph), ("adapters", origin.adapters.joined(separator: ", ")),
      ("heads", origin.heads.joined(separator: ", ")), ("dataset", origin.dataset), ("items", origin.items),
      ("images", origin.images),
      ("noise", about.seed.map { "seed \($0)" } ?? "from a file"), ("latent", about.latent),
      ("terms", (evaluation.options.matching.terms ?? .both).rawValue),
      ("official code's habits", about.officialCompat ? "yes (--official-compat)" : ""),
      ("run", "number \(evaluation.run.number) of the results file, by dsd \(origin.version)"),
      ("graph file (SHA-256)", about.graph), ("weights (digest)", about.weights),
    ]
    for (name, _) in evaluation.options.layers {
      guard let used = evaluation.choices.compactMap(\.layers).first(where: { $0.name == name }) else {
        continue
      }
      let names = used.indices.map { evaluation.layers[$0] }
      facts.append(
        ("layers \(name)", "\(names.count) of \(evaluation.layers.count): \(names.joined(separator: ", "))"))
    }
    let list = facts.filter { !$0.1.isEmpty }.map { name, value -> HTML in "<dt>\(name)</dt><dd>\(value)</dd>"
    }
    let bad = about.bad.prefix(50).map { row -> HTML in "<li>\(row.place): \(row.reason)</li>" }
    let rest: HTML = about.bad.count > 50 ? "<li>and \(about.bad.count - 50) more</li>" : ""
    let badRows: HTML = about.bad.isEmpty ? "" : "<h3>Bad rows that were left out</h3><ul>\(bad)\(rest)</ul>"
    return "<section class=\"card\"><dl>\(list)</dl>\(badRows)</section>"
  }
}

extension HTML {
  /// Source that is put in as it is.
  init(verbatim source: String) { self.source = source }
}
