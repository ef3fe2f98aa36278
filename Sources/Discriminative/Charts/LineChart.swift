/// Curves over a common axis, drawn into a part of a canvas.
struct LineChart {
  struct Series {
    var name: String
    var colour: Canvas.Colour
    var points: [(x: Double, y: Double)]
    /// Pixels.
    var width = 2.0
    /// Draws a dot at every point.
    var hasDots = false
    /// Left out of the legend, and of what the vertical axis has to reach.
    var isBackground = false
  }

  var title: String
  var horizontal: String
  var series: [Series]
  var xRange: ClosedRange<Double>
  /// As far as the series reach, when nil.
  var yRange: ClosedRange<Double>?

  private static let scale = 2
  private static let grid: Canvas.Colour = (228, 228, 231)

  /// Draws into a rectangle of the canvas: title and legend on top, labels at the left and below.
  func draw(on canvas: inout Canvas, x: Int, y: Int, width: Int, height: Int) {
    let scale = LineChart.scale
    let line = BitmapFont.glyphHeight * scale
    let yRange = self.yRange ?? verticalRange
    let yTicks = AxisTicks(yRange, about: max(2, height / 60))
    let xTicks = AxisTicks(xRange, about: max(2, width / 110), whole: true)
    let labels = yTicks.values.map { yTicks.label($0) }
    let left = x + BitmapFont.width(labels.map(\.count).max() ?? 0, scale: scale) + 2 * line
    let right = x + width - line
    let top = y + 2 * line + line / 2
    let bottom = y + height - 2 * line - line / 2

    canvas.write(title, x: left, y: y + line / 2, scale: scale, Canvas.black)
    drawLegend(on: &canvas, right: right, y: y + line / 2)
    func place(_ point: (x: Double, y: Double)) -> (x: Double, y: Double) {
      let u = (point.x - xRange.lowerBound) / max(xRange.upperBound - xRange.lowerBound, 1e-300)
      let v = (point.y - yRange.lowerBound) / max(yRange.upperBound - yRange.lowerBound, 1e-300)
      return (Double(left) + u * Double(right - left), Double(bottom) - v * Double(bottom - top))
    }
    for (value, label) in zip(yTicks.values, labels) {
      let row = Int(place((xRange.lowerBound, value)).y.rounded())
      canvas.fill(x: left, y: row, width: right - left, height: 1, LineChart.grid)
      let start = left - line / 2 - BitmapFont.width(label.count, scale: scale)
      canvas.write(label, x: start, y: row - line / 2, scale: scale, Canvas.grey)
    }
    for value in xTicks.values {
      let column = Int(place((value, yRange.lowerBound)).x.rounded())
      canvas.fill(x: column, y: bottom, width: 1, height: line / 3, Canvas.grey)
      let label = xTicks.label(value)
      canvas.write(
        label, x: column - BitmapFont.width(label.count, scale: scale) / 2, y: bottom + line / 2,
        scale: scale,
        Canvas.grey)
    }
    canvas.write(
      horizontal, x: (left + right - BitmapFont.width(horizontal.count, scale: scale)) / 2,
      y: bottom + line * 3 / 2, scale: scale, Canvas.grey)

    let area = Canvas.Area(left: left, top: top, right: right, bottom: bottom)
    for series in series.sorted(by: { $0.isBackground && !$1.isBackground }) {
      let places = series.points.filter { $0.x.isFinite && $0.y.isFinite }.map(place)
      for (a, b) in zip(places, places.dropFirst()) {
        canvas.line(from: a, to: b, width: series.width, series.colour, inside: area)
      }
      let dot = series.hasDots || places.count == 1 ? series.width + 4 : 0
      for point in places where dot > 0 {
        canvas.line(from: point, to: point, width: dot, series.colour, inside: area)
      }
    }
    canvas.fill(x: left, y: top, width: 1, height: bottom - top, Canvas.grey)
    canvas.fill(x: left, y: bottom, width: right - left, height: 1, Canvas.grey)
  }

  private func drawLegend(on canvas: inout Canvas, right: Int, y: Int) {
    let scale = LineChart.scale
    let line = BitmapFont.glyphHeight * scale
    var end = right
    for series in series.reversed() where !series.isBackground {
      let start = end - BitmapFont.width(series.name.count, scale: scale)
      canvas.write(series.name, x: start, y: y, scale: scale, Canvas.black)
      let area = Canvas.Area(left: 0, top: 0, right: canvas.width, bottom: canvas.height)
      let (from, middle) = (Double(start - 2 * line), Double(y) + Double(line) * 0.45)
      canvas.line(
        from: (from, middle), to: (Double(start - line / 2), middle), width: series.width, series.colour,
        inside: area)
      end = start - 3 * line
    }
  }

  /// What the series reach, with a little room; of noisy ones in the background all but the outermost points.
  private var verticalRange: ClosedRange<Double> {
    var reach: [Double] = []
    for series in series {
      let values = series.points.map(\.y).filter(\.isFinite).sorted()
      let cut = series.isBackground ? values.count / 50 : 0
      guard values.count > 2 * cut else { continue }
      reach += [values[cut], values[values.count - 1 - cut]]
    }
    guard let low = reach.min(), let high = reach.max() else { return 0...1 }
    let room = max((high - low) * 0.05, abs(high) * 1e-3, 1e-9)
    // Losses begin at 0; an axis that almost reaches it had better do.
    return (low >= 0 && low < (high - low) * 0.5 ? 0 : low - room)...(high + room)
  }
}
