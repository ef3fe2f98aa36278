import Foundation
import TestSupport
import Testing

@testable import Discriminative

@Suite struct TrainingChartTests {
  @Test func roundTicks() {
    func ticks(_ range: ClosedRange<Double>, _ count: Int, whole: Bool = false) -> [String] {
      let ticks = AxisTicks(range, about: count, whole: whole)
      return ticks.values.map { ticks.label($0) }
    }
    #expect(ticks(0...1, 5) == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"])
    #expect(ticks(0...200, 8) == ["0", "50", "100", "150", "200"])
    #expect(ticks(-0.013...0.031, 4) == ["0.00", "0.02"])
    #expect(ticks(0...3, 10, whole: true) == ["0", "1", "2", "3"])
    #expect(ticks(2...2, 5) == ["2"])
  }

  /// Curves lie where the numbers say, in their colours, and inside the axes.
  @Test func curves() throws {
    var history = TrainingHistory()
    for step in 0..<100 {
      history.steps.append(
        .init(loss: 1 - Double(step) / 100, accuracy: 0.5, learningRate: 0.1, gradientNorm: 1))
    }
    history.validations = [
      .init(step: 0, loss: 1, accuracy: 0.25), .init(step: 100, loss: 0.5, accuracy: 0.75),
    ]
    let image = TrainingChart(history).image
    #expect(image.width == 960 && image.height == 720)
    func rows(_ colour: Canvas.Colour, column: Int, _ range: Range<Int>) -> [Int] {
      range.filter { row in
        let place = (row * image.width + column) * 3
        return Array(image.pixels[place..<place + 3]) == [colour.red, colour.green, colour.blue]
      }
    }
    let (blue, orange): (Canvas.Colour, Canvas.Colour) = ((29, 78, 216), (234, 88, 12))
    // The loss falls: later columns have the training curve lower down, and below the validation's.
    let early = try #require(rows(blue, column: 300, 60..<400).first)
    let late = try #require(rows(blue, column: 800, 60..<400).first)
    #expect(late > early + 80)
    #expect(try #require(rows(orange, column: 800, 60..<400).first) < late)
    // The accuracy of validation rises.
    let low = try #require(rows(orange, column: 300, 480..<680).first)
    #expect(try #require(rows(orange, column: 800, 480..<680).first) < low)
    // Whatever there is, there is a picture.
    #expect(TrainingChart(TrainingHistory()).image.pixels.contains { $0 != 255 })
  }
}
