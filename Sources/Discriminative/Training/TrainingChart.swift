import Diffusion

/// A run's loss and accuracy over its steps, as a picture.
public struct TrainingChart {
  public let history: TrainingHistory
  /// Named above the picture.
  public let title: String

  public init(_ history: TrainingHistory, title: String = "loss") {
    self.history = history
    self.title = title
  }

  private static let pale: Canvas.Colour = (191, 219, 254)
  private static let blue: Canvas.Colour = (29, 78, 216)
  private static let orange: Canvas.Colour = (234, 88, 12)

  /// 960 × 720 pixels: the loss above, the accuracy below.
  public var image: RGBImage {
    var canvas = Canvas(width: 960, height: 720)
    let last = Double(max(history.steps.count, history.validations.last?.step ?? 0, 1))
    func chart(
      _ title: String, _ range: ClosedRange<Double>?, _ training: (TrainingHistory.Step) -> Double,
      _ validation: (TrainingHistory.Validation) -> Double
    ) -> LineChart {
      let raw = history.steps.enumerated().map { (x: Double($0 + 1), y: training($1)) }
      var series: [LineChart.Series] = []
      if !raw.isEmpty {
        series += [
          LineChart.Series(
            name: "each step", colour: TrainingChart.pale, points: raw, width: 1.5, isBackground: true),
          LineChart.Series(name: "training", colour: TrainingChart.blue, points: TrainingChart.smooth(raw)),
        ]
      }
      if !history.validations.isEmpty {
        series.append(
          LineChart.Series(
            name: "validation", colour: TrainingChart.orange,
            points: history.validations.map { (Double($0.step), validation($0)) },
            hasDots: history.validations.count <= 60))
      }
      return LineChart(
        title: title, horizontal: "steps", series: series, xRange: 0...last, yRange: range)
    }
    chart(title, nil, \.loss, \.loss).draw(on: &canvas, x: 0, y: 8, width: 960, height: 416)
    chart("accuracy", 0...1, \.accuracy, \.accuracy).draw(on: &canvas, x: 0, y: 432, width: 960, height: 280)
    return canvas.image
  }

  /// The mean over a window of a tenth of the run around each point, cut at the ends.
  private static func smooth(_ points: [(x: Double, y: Double)]) -> [(x: Double, y: Double)] {
    let half = max(1, points.count / 20)
    var sums = [0.0]
    for point in points { sums.append(sums.last! + point.y) }
    return points.indices.map { place in
      let (low, high) = (max(0, place - half), min(points.count, place + half + 1))
      return (points[place].x, (sums[high] - sums[low]) / Double(high - low))
    }
  }
}
