import Foundation
import TestSupport
import Testing

@testable import Discriminative

@Suite struct BootstrapTests {
  @Test func certainty() {
    let all = Bootstrap.proportions([[.init(2, of: 2), .init(1, of: 1)]])[0]
    #expect(all.value == 1 && all.low == 1 && all.high == 1)
    let none = Bootstrap.proportions([[.init(0, of: 3)]])[0]
    #expect(none.value == 0 && none.low == 0 && none.high == 0)
    #expect(Bootstrap.proportions([]).isEmpty)
  }

  /// With one question an item, draws are binomial: the interval is that of its quantiles.
  @Test(arguments: [(200, 60), (500, 340), (40, 3)]) func binomialQuantiles(_ items: Int, _ right: Int) {
    let counts = (0..<items).map { Bootstrap.Count($0 < right ? 1 : 0, of: 1) }
    let result = Bootstrap.proportions([counts])[0]
    let p = Double(right) / Double(items)
    #expect(result.value == p)
    func quantile(_ level: Double) -> Double {
      var sum = 0.0
      for k in 0...items {
        let log: Double =
          lgamma(Double(items + 1)) - lgamma(Double(k + 1)) - lgamma(Double(items - k + 1))
          + Double(k) * Foundation.log(p) + Double(items - k) * log1p(-p)
        sum += exp(log)
        if sum >= level { return Double(k) / Double(items) }
      }
      return 1
    }
    // Ten thousand draws find the quantile to about one step.
    #expect(abs(result.low - quantile(0.025)) < 1.5 / Double(items))
    #expect(abs(result.high - quantile(0.975)) < 1.5 / Double(items))
  }

  /// Two questions that always agree are one item's: their interval is as wide as one question's.
  @Test func itemsAreDrawnWhole() {
    let single = (0..<300).map { Bootstrap.Count($0 % 3 == 0 ? 1 : 0, of: 1) }
    let double = single.map { Bootstrap.Count(2 * $0.successes, of: 2) }
    let (one, two) = (Bootstrap.proportions([single])[0], Bootstrap.proportions([double])[0])
    #expect(one == two)
    // Series share their draws: together they give what each gives alone.
    #expect(Bootstrap.proportions([single, double]) == [one, two])
    // Other draws, another interval: where trials vary, hardly two draws give the same proportion.
    let uneven = (0..<100).map { Bootstrap.Count($0 % 7, of: 7 + $0 % 5) }
    #expect(Bootstrap.proportions([uneven], seed: 1) != Bootstrap.proportions([uneven], seed: 2))
    #expect(Bootstrap.proportions([uneven], seed: 1) == Bootstrap.proportions([uneven], seed: 1))
  }

  /// numpy.percentile([1, 2, 4, 8], [0, 25, 40, 97.5, 100])
  @Test func percentiles() {
    let values = [1.0, 2, 4, 8]
    for (level, expected) in [(0, 1.0), (0.25, 1.75), (0.4, 2.4), (0.975, 7.7), (1, 8)] {
      #expect(abs(Bootstrap.percentile(level, of: values) - expected) < 1e-12)
    }
  }
}
