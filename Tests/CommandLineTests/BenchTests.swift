import CommandLineSupport
import Foundation
import TestSupport
import Testing

/// `dsd bench`: what it tells, not how fast anything is.
@Suite struct BenchTests {
  private struct Report: Decodable {
    struct Part: Decodable {
      struct Node: Decodable {
        let node, op: String
        let outputs: [String]
        let seconds: Double
        let multiply_adds: Int
      }

      let name: String
      let first_seconds: Double
      let seconds: [Double]
      let multiply_adds: Int
      let nodes: [Node]
    }

    let graph, version, processor, precision: String
    let threads: Int
    let peak_flops: Double
    let parts: [Part]
  }

  private func bench(_ arguments: [String]) throws -> (outcome: Outcome, report: Report?) {
    let file = "\(try Fixtures.scratch())/bench.json"
    let outcome = try Commands.run("dsd", ["bench", "--json", file] + arguments)
    let data = FileManager.default.contents(atPath: file)
    return (outcome, try data.map { try JSONDecoder().decode(Report.self, from: $0) })
  }

  @Test func pipelineByParts() throws {
    let graph = "\(Fixtures.repository)/Graphs/sample/graph.pb"
    let (outcome, report) = try bench([
      graph, "--repeat", "2", "--warmup", "0", "--threads", "1", "--nodes", "1",
    ])
    #expect(outcome.code == 0, "\(outcome.errors)")
    let all = try #require(report)
    #expect(
      all.threads == 1 && all.precision == "fp32" && all.peak_flops > 0 && all.version == Program.version)
    #expect(all.parts.contains { $0.name == "vae_encoder, for each image" })
    #expect(all.parts.contains { $0.name == "text_encoder, for each text" })
    let unet = try #require(all.parts.first { $0.name == "unet, for each image, timestep, text" })
    for part in all.parts {
      #expect(part.seconds.count == 2 && part.seconds.allSatisfy { $0 > 0 } && part.first_seconds > 0)
      // Every node is there once, slowest first, and their arithmetic is the part's.
      #expect(Set(part.nodes.map(\.node)).count == part.nodes.count)
      #expect(part.nodes.map(\.seconds) == part.nodes.map(\.seconds).sorted(by: >))
      #expect(part.nodes.reduce(0) { $0 + $1.multiply_adds } == part.multiply_adds)
    }
    #expect(unet.nodes.contains { $0.op == "Conv" && $0.outputs == ["float32[1, 64, 16, 16]"] })
    // One node of each part is listed, and the others counted.
    #expect(outcome.output.contains("(\(unet.nodes.count - 1) others)"))
    let rows = outcome.output.split(separator: "\n").filter {
      $0.hasPrefix("unet, for each image, timestep, text  ")
    }
    #expect(rows.count == 1)
  }

  @Test func anyGraphAsAWhole() throws {
    let path = Fixtures.path("exports/vae-encoder-legacy-17.onnx")
    let (outcome, report) = try bench([path, "--repeat", "1", "--warmup", "0"])
    #expect(outcome.code == 0, "\(outcome.errors)")
    #expect(report?.parts.map(\.name) == ["all"])
    for (arguments, reason) in [
      ([path, "--dim", "nowhere=3"], "--dim: "), ([path, "--repeat", "0"], "--repeat: 0 is not"),
      (
        ["\(Fixtures.repository)/Graphs/sample/graph.pb", "--input", "x=1"],
        "--input and --dim are not for pipelines"
      ),
      (["no.onnx"], "no.onnx"),
    ] {
      let (outcome, report) = try bench(arguments)
      #expect(outcome.code != 0 && report == nil && outcome.errors.contains(reason), "\(outcome.errors)")
    }
  }
}
