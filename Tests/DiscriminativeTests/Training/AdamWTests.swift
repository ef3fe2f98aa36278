import Foundation
import OrderedCollections
import TestSupport
import Testing

@testable import Discriminative

/// Optimizer, clipping and schedules beside torch and transformers; `Tools/reference/make_training_cases.py` made the
/// reference.
@Suite struct AdamWTests {
  private struct Reference: Decodable {
    struct Case: Decodable {
      let lr: Double
      let betas: [Double]?
      let eps, weightDecay: Double?
      let clip: Float?
      let schedule: String?
      let warmup: Int?
      let rates: [Double]
      let norms: [Float]
      let after: [String: [String: [Float]]]
    }
    let shapes: [String: [Int]]
    let start: [String: [Float]]
    let gradients: [String: [[Float]]]
    let cases: [Case]
  }

  @Test func followsTorch() throws {
    let data = try Data(contentsOf: URL(fileURLWithPath: Fixtures.path("training/optimizer.json")))
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let reference = try decoder.decode(Reference.self, from: data)
    #expect(reference.cases.count == 5)
    for (number, wanted) in reference.cases.enumerated() {
      var parameters: OrderedDictionary<String, Tensor> = [:]
      for (name, values) in reference.start.sorted(by: { $0.key < $1.key }) {
        parameters[name] = Tensor(values, shape: reference.shapes[name]!)
      }
      let betas = wanted.betas ?? [0.9, 0.999]
      var optimizer = AdamW(
        beta1: betas[0], beta2: betas[1], epsilon: wanted.eps ?? 1e-8,
        weightDecay: wanted.weightDecay ?? 0.01)
      let rates = LearningRate(
        peak: wanted.lr, schedule: .init(rawValue: wanted.schedule ?? "constant")!,
        warmup: wanted.warmup ?? 0, steps: wanted.rates.count)
      for step in wanted.rates.indices {
        #expect(abs(rates.rate(at: step) - wanted.rates[step]) < 1e-15, "case \(number), step \(step)")
        let gradients = reference.gradients.reduce(into: [:]) { all, entry in
          all[entry.key] = Tensor(entry.value[step], shape: reference.shapes[entry.key]!)
        }
        let norm = Gradients.clip(gradients, to: wanted.clip)
        #expect(abs(norm - wanted.norms[step]) <= 2e-7 * wanted.norms[step], "case \(number), step \(step)")
        optimizer.update(&parameters, gradients: gradients, learningRate: rates.rate(at: step))
        guard let after = wanted.after["\(step + 1)"] else { continue }
        for (name, values) in after {
          let expected = Tensor(values, shape: reference.shapes[name]!)
          let difference = Comparison.relativeToPeak(parameters[name]!, expected)
          #expect(difference < 1e-6, "case \(number), step \(step + 1), \(name)")
        }
      }
    }
  }

  /// What is handed in stays as it is: a checkpoint may still hold it.
  @Test func inputsStay() {
    let start = Tensor([1, 2] as [Float], shape: [2])
    var parameters: OrderedDictionary = ["p": start, "other": start]
    var optimizer = AdamW()
    optimizer.update(&parameters, gradients: ["p": start.copy()], learningRate: 0.1)
    let moment = optimizer.first["p"]!
    let kept = moment.copy()
    optimizer.update(&parameters, gradients: ["p": start.copy()], learningRate: 0.1)
    #expect(start.array(of: Float.self) == [1, 2])
    #expect(moment.isIdentical(to: kept))
    #expect(parameters["other"]!.isIdentical(to: start))
  }

  @Test func gradientsOfNoNumberAreNotHidden() {
    let gradient = Tensor([Float.nan, 1], shape: [2])
    #expect(Gradients.clip(["p": gradient], to: 1).isNaN)
    #expect(gradient.array(of: Float.self).allSatisfy { $0.isNaN })
  }

  @Test func accumulation() {
    var sum: [String: Tensor] = [:]
    Gradients.add(["p": Tensor([1, 2] as [Float], shape: [2])], share: 0.5, to: &sum)
    Gradients.add(["p": Tensor([3, -2] as [Float], shape: [2])], share: 0.5, to: &sum)
    #expect(sum["p"]!.array(of: Float.self) == [2, 0])
  }
}
