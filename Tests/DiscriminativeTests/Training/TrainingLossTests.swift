import Foundation
import TestSupport
import Testing

@testable import Discriminative

@Suite struct TrainingLossTests {
  private let losses: [TrainingLoss] = [.hinge(margin: 0.5), .crossEntropy(temperature: 0.7)]

  @Test func values() {
    #expect(TrainingLoss.hinge(margin: 0.5).value([1, 0.75, 0.25]).loss == 0.25)
    #expect(TrainingLoss.hinge(margin: 0.5).value([1, 0.75, 0.25]).gradient == [-1, 1, 0])
    #expect(TrainingLoss.hinge(margin: 0.5).value([2, 1]).loss == 0)
    #expect(TrainingLoss.hinge(margin: 0.5).value([.nan, 1]).loss.isNaN)
    // Two equal scores: log 2.
    #expect(abs(TrainingLoss.crossEntropy(temperature: 3).value([5, 5]).loss - 0.693147180559945) < 1e-12)
  }

  /// Derivatives beside finite differences.
  @Test func gradients() {
    let scores = [0.3, 0.2, -0.4, 0.15]
    for loss in losses {
      let (_, gradient) = loss.value(scores)
      for place in scores.indices {
        var (up, down) = (scores, scores)
        up[place] += 1e-5
        down[place] -= 1e-5
        let difference = (loss.value(up).loss - loss.value(down).loss) / 2e-5
        #expect(abs(difference - gradient[place]) < 1e-8, "\(loss), \(place)")
      }
    }
  }

  /// The graph's gradient, beside the derivative written out here.
  @Test func gradientOfGraph() throws {
    let rows: [[Float]] = [[0.3, 0.2, -0.4], [1, 1.4, 0.9]]
    for loss in losses {
      let g = GraphBuilder()
      let scores = g.input("scores", .float32, [2, 3])
      let each = loss.write(scores, mask: g.constant(Tensor.zeros(.float32, [1, 3])), in: g)
      g.output(each, as: "loss", nil)
      let preparation = try Preparation(
        g.graph, .standard, inputs: ["scores": TensorType(.float32, [2, 3])], outputs: [],
        rewrites: [Gradient(of: "loss", wrt: ["scores"])], pool: ThreadPool(threads: 1))
      let found = try Plan(preparation).run(["scores": Tensor(Array(rows.joined()), shape: [2, 3])])
      let gradient = found[Gradient.name("scores")]!.array(of: Float.self)
      for (place, row) in rows.enumerated() {
        let expected = loss.value(row.map(Double.init)).gradient
        for column in 0..<3 { #expect(abs(Double(gradient[place * 3 + column]) - expected[column]) < 1e-5) }
      }
    }
  }

  /// As a graph it gives the same numbers, whatever stands at candidates that are absent.
  @Test func graph() throws {
    let rows: [[Float]] = [[0.3, 0.2, -0.4], [1, 1.4, 0.9], [-60, 40, 39], [2, 0.5, 7]]
    var mask = [Float](repeating: 0, count: 12)
    mask[11] = TrainingLoss.absent
    for loss in losses {
      let g = GraphBuilder()
      let scores = g.input("scores", .float32, [4, 3])
      g.output(loss.write(scores, mask: g.input("mask", .float32, [4, 3]), in: g), as: "loss", nil)
      let preparation = try Preparation(
        g.graph, .standard,
        inputs: ["scores": TensorType(.float32, [4, 3]), "mask": TensorType(.float32, [4, 3])],
        pool: ThreadPool(threads: 1))
      let result = try Plan(preparation).run([
        "scores": Tensor(Array(rows.joined()), shape: [4, 3]), "mask": Tensor(mask, shape: [4, 3]),
      ])["loss"]!
      #expect(result.shape == [4])
      for (place, value) in result.array(of: Float.self).enumerated() {
        let known = rows[place].prefix(place == 3 ? 2 : 3).map(Double.init)
        let expected = loss.value(Array(known)).loss
        #expect(abs(Double(value) - expected) <= 1e-5 * max(1, expected), "\(loss), \(place)")
      }
    }
  }
}

extension TrainingLoss {
  /// The loss of some scores, and its derivative by each of them.
  /// - Parameter scores: the right candidate's first. Of equal wrong ones the first counts.
  func value(_ scores: [Double]) -> (loss: Double, gradient: [Double]) {
    var gradient = [Double](repeating: 0, count: scores.count)
    switch self {
    case .hinge(let margin):
      let hardest = scores.indices.dropFirst().max { (scores[$0], -$0) < (scores[$1], -$1) } ?? 0
      let loss = Double(margin) + scores[hardest] - scores[0]
      // Not "loss <= 0", which hides what is not a number.
      guard !(loss <= 0) else { return (0, gradient) }
      gradient[hardest] += 1
      gradient[0] -= 1
      return (loss, gradient)
    case .crossEntropy(let temperature):
      let logits = scores.map { $0 / Double(temperature) }
      let peak = logits.max() ?? 0
      let exponentials = logits.map { exp($0 - peak) }
      let sum = exponentials.reduce(0, +)
      for place in scores.indices {
        gradient[place] = (exponentials[place] / sum - (place == 0 ? 1 : 0)) / Double(temperature)
      }
      return (log(sum) + peak - logits[0], gradient)
    }
  }
}
