import Foundation
import TestSupport
import Testing

@testable import Diffusion

/// Values that diffusers computes, written by `Tools/reference/make_leaf_cases.py`.
@Suite struct ScheduleFixtureTests {
  @Test func equalsDiffusers() throws {
    let data = try Data(contentsOf: URL(fileURLWithPath: Fixtures.path("schedules/alphas_cumprod.json")))
    let rows = try #require(try JSONSerialization.jsonObject(with: data) as? [[String: Any]])
    #expect(rows.count == 4)
    for row in rows {
      var config = row
      config["_class_name"] = "DDIMScheduler"
      let alphas = try #require(config.removeValue(forKey: "alphas_cumprod") as? [Double])
      let sigmas = try #require(config.removeValue(forKey: "euler_sigmas_every_50") as? [Double])
      let folder = try TemporaryFolder()
      let text = String(decoding: try JSONSerialization.data(withJSONObject: config), as: UTF8.self)
      let schedule = try NoiseSchedule(path: folder.write("scheduler_config.json", text))
      let label = "\(row["beta_schedule"]!) \(row["beta_end"]!)"
      #expect(schedule.alphasCumprod.count == alphas.count, "\(label)")
      for (actual, expected) in zip(schedule.alphasCumprod, alphas) {
        // Rounding adds up along the product.
        #expect(abs(Double(actual) - expected) <= 1e-6 * expected, "\(label)")
      }
      for (number, expected) in sigmas.enumerated() {
        let actual = Double(schedule.sigma(number * 50))
        #expect(abs(actual - expected) <= 1e-5 * max(expected, 1e-2), "\(label), sigma \(number * 50)")
      }
    }
  }
}
