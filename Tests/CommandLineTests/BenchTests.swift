import Foundation
import TestSupport
import Testing

@testable import CommandLineSupport

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

  /// Choices end up in the nodes of a graph file, which gives what the one it was made of gives.
  @Test func tunes() throws {
    let folder = try Fixtures.scratch()
    let (path, tuned) = ("\(folder)/vae.onnx", "\(folder)/tuned.onnx")
    try FileManager.default.copyItem(
      atPath: Fixtures.path("exports/vae-encoder-legacy-17.onnx"), toPath: path)
    let (outcome, report) = try bench([path, "--repeat", "1", "--warmup", "0", "--tune", tuned])
    #expect(outcome.code == 0, "\(outcome.errors)")
    #expect(outcome.output.contains("convolutions are told a tile") && report?.parts.count == 1)
    let (old, new) = (try GraphReader.read(path: path).nodes, try GraphReader.read(path: tuned).nodes)
    #expect(old.map(\.op) == new.map(\.op))
    for node in new {
      if let text = node.metadata["dsd.winograd"] {
        #expect(node.op == "Conv" && ["none", "=2x2", "=2x4"].contains(text))
      }
    }
    let (same, _) = try bench([path, "--tune", "\(folder)/elsewhere/tuned.onnx"])
    #expect(same.code != 0 && same.errors.contains("elsewhere"))
  }

  @Test func choosesTheFastest() throws {
    let g = GraphBuilder()
    let x = g.input("x", .float32, [1, 8, 16, 16].map { .known($0) })
    let w = g.constant(Tensor(Array(repeating: Float(1), count: 8 * 8 * 9), shape: [8, 8, 3, 3]), "w")
    func conv(_ name: String, _ attributes: [String: Attribute] = [:]) -> Value {
      g.Conv(x, w, attributes: ["pads": .ints([1, 1, 1, 1])].merging(attributes) { $1 }, name: name)
    }
    for name in ["sums", "tile", "as it is"] { g.output(conv(name), as: name, nil) }
    g.output(conv("strided", ["strides": .ints([2, 2])]), as: "strided", nil)
    var graph = g.graph
    graph.nodes[0].metadata["note"] = "kept"
    var tuning = ConvolutionTuning(graph)
    #expect(tuning.nodes == ["sums", "tile", "as it is"])
    let times: [String: [Double]] = [
      "sums": [3, 2, 4, 5], "tile": [3, 4, 2.5, 2], "as it is": [3, 2.99, 4, 4],
    ]
    for (node, times) in times {
      for (choice, time) in zip(ConvolutionTuning.choices, times) {
        // The least of several counts.
        for slower in [1, 0.0, 2] { tuning.add(time + slower, of: node, trying: choice) }
      }
    }
    let words = tuning.tuned().nodes.map { $0.metadata["dsd.winograd"] }
    #expect(words == ["none", "=2x4", nil, nil])
    #expect(tuning.tuned().nodes[0].metadata["note"] == "kept")
    #expect(
      tuning.text().contains(
        "2 of 3 convolutions are told a tile: 7000.000 ms for all of them where it was 9000"))
  }
}
