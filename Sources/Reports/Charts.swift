import Discriminative

/// Charts as SVG, coloured by the page's own variables, so that they follow its light or dark appearance.
enum Charts {
  /// A value with its interval on an axis from 0 to 1, chance as a dashed line: for a table's cell.
  static func interval(_ value: Bootstrap.Proportion, chance: Double) -> HTML {
    let (width, height) = (160.0, 18.0)
    func x(_ value: Double) -> Double { 4 + value * (width - 8) }
    return """
      <svg class="interval" viewBox="0 0 \(width) \(height)" width="\(width)" height="\(height)" role="img">\
      <title>\(percent(value.value)), 95 % interval \(percent(value.low)) to \(percent(value.high)); chance \(percent(chance))</title>\
      <line class="axis" x1="\(x(0))" x2="\(x(1))" y1="9" y2="9"/>\
      <line class="chance" x1="\(x(chance))" x2="\(x(chance))" y1="2" y2="16"/>\
      <line class="whisker" x1="\(x(value.low))" x2="\(x(value.high))" y1="9" y2="9"/>\
      <circle class="dot" cx="\(x(value.value))" cy="9" r="4"/></svg>
      """
  }

  static func percent(_ value: Double) -> String { HTML.number(value * 100, digits: 1) + " %" }

  private static let (width, height) = (560.0, 240.0)
  private static let (left, right, top, bottom) = (68.0, 16.0, 16.0, 40.0)

  /// A frame with ticks from `low` to `high` on both axes.
  private static func frame(
    _ title: String, x: (ticks: [(Double, String)], label: String),
    y: (ticks: [(Double, String)], label: String),
    _ body: [HTML]
  ) -> HTML {
    let plotBottom = height - bottom
    let rows = y.ticks.map { place, text -> HTML in
      """
      <line class="grid" x1="\(left)" x2="\(width - right)" y1="\(place)" y2="\(place)"/>\
      <text class="tick" x="\(left - 8)" y="\(place + 4)" text-anchor="end">\(text)</text>
      """
    }
    let columns = x.ticks.map { place, text -> HTML in
      """
      <text class="tick" x="\(place)" y="\(plotBottom + 16)" text-anchor="middle">\(text)</text>
      """
    }
    return """
      <svg class="chart" viewBox="0 0 \(width) \(height)" role="img"><title>\(title)</title>\
      \(rows)\(columns)<line class="axis" x1="\(left)" x2="\(width - right)" y1="\(plotBottom)" y2="\(plotBottom)"/>\
      <text class="label" x="\((left + width - right) / 2)" y="\(height - 4)" text-anchor="middle">\(x.label)</text>\
      <text class="label" x="14" y="\((top + plotBottom) / 2)" text-anchor="middle" \
      transform="rotate(-90 14 \((top + plotBottom) / 2))">\(y.label)</text>\(body)</svg>
      """
  }

  private static func row(_ share: Double) -> Double { top + (1 - share) * (height - top - bottom) }

  /// Accuracies by the number of noise levels: the first ones together with their interval, and each alone.
  static func curve(_ curve: ReportData.Curve, timesteps: [Int]) -> HTML {
    let count = timesteps.count
    func x(_ step: Int) -> Double {
      left + 12 + (width - left - right - 24) * Double(step) / Double(count - 1)
    }
    let low = (curve.first + curve.alone).map(\.low).min() ?? 0
    let high = (curve.first + curve.alone).map(\.high).max() ?? 1
    // Whole tenths around everything and chance.
    let from = max(0, (min(low, curve.chance) * 10 - 0.5).rounded(.down) / 10)
    let to = min(1, max((max(high, curve.chance) * 10).rounded(.up) / 10, from + 0.1))
    func y(_ value: Double) -> Double { row((value - from) / (to - from)) }
    let tenths = Int(((to - from) * 10).rounded())
    let stride = tenths > 5 ? 2 : 1
    let yTicks = Swift.stride(from: 0, through: tenths, by: stride).map { tenth -> (Double, String) in
      let value = from + Double(tenth) / 10
      return (y(value), HTML.number(value * 100, digits: 0) + " %")
    }
    let skip = max(1, (count + 9) / 10)
    let xTicks = timesteps.indices.filter { $0 % skip == 0 }.map { (x($0), "\($0 + 1) (t=\(timesteps[$0]))") }
    let upper = curve.first.indices.map { "\(short(x($0))),\(short(y(curve.first[$0].high)))" }
    let lower = curve.first.indices.reversed().map { "\(short(x($0))),\(short(y(curve.first[$0].low)))" }
    let line = curve.first.indices.map { "\(short(x($0))),\(short(y(curve.first[$0].value)))" }
    let dots = timesteps.indices.map { step -> HTML in
      let (together, alone) = (curve.first[step], curve.alone[step])
      return """
        <circle class="hollow" cx="\(x(step))" cy="\(y(alone.value))" r="4"><title>t=\(timesteps[step]) alone: \
        \(percent(alone.value)) (\(percent(alone.low)) to \(percent(alone.high)))</title></circle>\
        <circle class="dot" cx="\(x(step))" cy="\(y(together.value))" r="4"><title>first \(step + 1): \
        \(percent(together.value)) (\(percent(together.low)) to \(percent(together.high)))</title></circle>
        """
    }
    let body: HTML = """
      <polygon class="band" points="\((upper + lower).joined(separator: " "))"/>\
      <line class="chance" x1="\(left)" x2="\(width - right)" y1="\(y(curve.chance))" y2="\(y(curve.chance))"/>\
      <polyline class="line" points="\(line.joined(separator: " "))"/>\(dots)
      """
    return frame(
      curve.name, x: (xTicks, "noise levels used, in the run's order"), y: (yTicks, "accuracy"), [body])
  }

  private static func short(_ value: Double) -> String {
    HTML.number(value, digits: 1).replacing("−", with: "-")
  }

  /// Two distributions over common bins, beside each other; the first is drawn in the first colour.
  static func histogram(
    _ title: String, _ first: [Double], _ second: [Double], names: (String, String), label: String,
    centred: Bool = false
  ) -> HTML {
    let all = (first + second).filter(\.isFinite)
    guard var low = all.min(), var high = all.max() else { return "" }
    if centred { (low, high) = (-max(abs(low), abs(high)), max(abs(low), abs(high))) }
    if low == high { (low, high) = (low - 1, high + 1) }
    guard low < high, (high - low).isFinite else { return "" }
    let bins = 32
    func counts(_ values: [Double]) -> [Int] {
      var counts = [Int](repeating: 0, count: bins)
      for value in values where value.isFinite {
        counts[min(bins - 1, max(0, Int((value - low) / (high - low) * Double(bins))))] += 1
      }
      return counts
    }
    let (a, b) = (counts(first), counts(second))
    let most = max((a + b).max() ?? 1, 1)
    let step = (width - left - right) / Double(bins)
    func bars(_ counts: [Int], _ name: String, _ style: String, _ place: Int) -> [HTML] {
      counts.enumerated().filter { $0.element > 0 }.map { bin, count in
        let (from, to) = (
          low + (high - low) * Double(bin) / Double(bins), low + (high - low) * Double(bin + 1) / Double(bins)
        )
        let y = row(Double(count) / Double(most))
        return """
          <rect class="\(style)" x="\(left + (Double(bin) + Double(place) / 2) * step + 0.5)" y="\(y)" \
          width="\(step / 2 - 1)" height="\(height - bottom - y)"><title>\(name): \(count) from \(number(from)) to \(number(to))\
          </title></rect>
          """
      }
    }
    let ticks = (0...4).map { place -> (Double, String) in
      (left + (width - left - right) * Double(place) / 4, number(low + (high - low) * Double(place) / 4))
    }
    let rows = [0, most].map { (row(Double($0) / Double(most)), "\($0)") }
    let zero: HTML =
      low < 0 && high > 0
      ? """
      <line class="chance" x1="\(left + (width - left - right) * -low / (high - low))" x2="\(left + (width - left - right) * -low / (high - low))" y1="\(top)" y2="\(height - bottom)"/>
      """ : ""
    return """
      <figure><figcaption>\(title)<span class="legend"><i class="first"></i>\(names.0)<i class="second"></i>\(names.1)</span>\
      </figcaption>\(frame(title, x: (ticks, label), y: (rows, "count"), [zero] + bars(a, names.0, "first", 0) + bars(b, names.1, "second", 1)))</figure>
      """
  }

  /// Four significant digits.
  static func number(_ value: Double) -> String {
    let size = abs(value)
    return HTML.number(value, digits: size >= 1000 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 3 : size == 0 ? 0 : 5)
  }

  /// A bar for each rank of the right choice.
  static func ranks(_ ranks: ReportData.Ranks) -> HTML {
    let most = max(ranks.counts.max() ?? 1, 1)
    let count = ranks.counts.count
    let step = (width - left - right) / Double(count)
    let bars = ranks.counts.enumerated().filter { $0.element > 0 }.map { rank, times -> HTML in
      let y = row(Double(times) / Double(most))
      let bar = max(min(step - 2, 48), step / 2)
      return """
        <rect class="\(rank == 0 ? "first" : "second")" x="\(left + (Double(rank) + 0.5) * step - bar / 2)" y="\(y)" width="\(bar)" \
        height="\(height - bottom - y)"><title>rank \(rank + 1): \(times)</title></rect>
        """
    }
    let skip = max(1, (count + 19) / 20)
    let ticks = ranks.counts.indices.filter { $0 % skip == 0 }.map {
      (left + (Double($0) + 0.5) * step, "\($0 + 1)")
    }
    let title = "\(ranks.task): \(ranks.direction)"
    return """
      <figure><figcaption>\(title)</figcaption>\(frame(title, x: (ticks, "rank of the right choice"), y: ([0, most].map { (row(Double($0) / Double(most)), "\($0)") }, "questions"), bars))</figure>
      """
  }

  /// Right captions down, chosen ones across; a cell is the darker the more of its row it has.
  static func matrix(_ confusion: ReportData.Confusion) -> HTML {
    let heads = confusion.captions.indices.map { place -> HTML in
      "<th scope=\"col\" title=\"\(confusion.captions[place])\">\(place + 1)</th>"
    }
    let rows = confusion.counts.enumerated().map { right, counts -> HTML in
      let all = max(counts.reduce(0, +), 1)
      let cells = counts.enumerated().map { chosen, count -> HTML in
        let share = Double(count) / Double(all)
        return """
          <td class="\(right == chosen ? "right" : "wrong")" style="--share:\(share)" \
          title="right: \(confusion.captions[right]); chosen: \(confusion.captions[chosen]); \(count) of \(all)">\(count == 0 ? "" : "\(count)")</td>
          """
      }
      return "<tr><th scope=\"row\">\(right + 1). \(confusion.captions[right])</th>\(cells)</tr>"
    }
    return """
      <figure><figcaption>\(confusion.task): right captions down, chosen ones across</figcaption>\
      <div class="scroll"><table class="matrix"><tr><th></th>\(heads)</tr>\(rows)</table></div></figure>
      """
  }
}
