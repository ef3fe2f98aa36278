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
    let file = "\(folder)/tuning.json"
    let outcome = try Commands.run(
      "dsd", ["bench", path, "--repeat", "1", "--warmup", "0", "--tune", tuned, "--json", file])
    #expect(outcome.code == 0, "\(outcome.errors)")
    struct Tuning: Decodable {
      struct Convolution: Decodable {
        let node: String
        let seconds: [String: Double]
        let chosen: String?
      }

      let before, after: Report
      let convolutions: [Convolution]
    }
    let report = try JSONDecoder().decode(
      Tuning.self, from: try #require(FileManager.default.contents(atPath: file)))
    #expect(report.before.graph == path && report.after.graph == tuned)
    #expect(report.before.parts[0].nodes.count == report.after.parts[0].nodes.count)
    #expect(outcome.output.contains(" of \(report.convolutions.count) convolutions are told how"))
    let (old, new) = (try GraphReader.read(path: path).nodes, try GraphReader.read(path: tuned).nodes)
    #expect(old.map(\.op) == new.map(\.op))
    var told: [String: String] = [:]
    for node in new { told[node.name] = node.metadata["dsd.winograd"] }
    #expect(!report.convolutions.isEmpty)
    for convolution in report.convolutions {
      #expect(Set(convolution.seconds.keys) == ["model", "none", "=2x2", "=2x4"])
      #expect(told.removeValue(forKey: convolution.node) == convolution.chosen)
    }
    #expect(told.isEmpty)
    // Refused before anything is measured.
    let graph = try Data(contentsOf: URL(fileURLWithPath: path))
    let elsewhere = try Fixtures.scratch()
    for (arguments, reason) in [
      (["--tune", "\(folder)/none/tuned.onnx"], "none"),
      (["--tune", "\(elsewhere)/tuned.onnx"], "is not in the folder of"),
      (["--tune", path], "--tune: \(path) is the file of the graph"),
      (["--tune", tuned, "--json", tuned], "--tune: \(tuned) is the file of --json"),
    ] {
      let outcome = try Commands.run("dsd", ["bench", path, "--repeat", "1000000"] + arguments)
      #expect(outcome.code != 0 && outcome.errors.contains(reason), "\(outcome.errors)")
    }
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == graph)
  }

  @Test func choosesTheFastest() throws {
    let g = GraphBuilder()
    let x = g.input("x", .float32, [1, 8, 16, 16].map { .known($0) })
    let weight = Tensor(Array(repeating: Float(1), count: 8 * 8 * 9), shape: [8, 8, 3, 3])
    let w = g.constant(weight, "w")
    // Checkpoints of 16 bits have a Cast before each convolution.
    let cast = g.Cast(g.constant(weight.converted(to: .float16), "w16"), attributes: ["to": .int(1)])
    func conv(_ name: String, _ w: Value, _ attributes: [String: Attribute] = [:]) -> Value {
      g.Conv(x, w, attributes: ["pads": .ints([1, 1, 1, 1])].merging(attributes) { $1 }, name: name)
    }
    for name in ["sums", "tile", "as it is", "noise"] {
      g.output(conv(name, name == "tile" ? cast : w), as: name, nil)
    }
    g.output(conv("strided", w, ["strides": .ints([2, 2])]), as: "strided", nil)
    g.output(conv("told", w), as: "told", nil)
    g.output(conv("unpadded", w, ["pads": .ints([0, 0, 0, 0])]), as: "unpadded", nil)
    let narrow = g.constant(
      Tensor(Array(repeating: Float(1), count: 4 * 8 * 9), shape: [4, 8, 3, 3]), "narrow")
    g.output(conv("few channels", narrow), as: "few channels", nil)
    var graph = g.graph
    for position in graph.nodes.indices {
      switch graph.nodes[position].name {
      case "told": graph.nodes[position].metadata["dsd.winograd"] = "4x4"
      case "sums": graph.nodes[position].metadata["note"] = "kept"
      default: break
      }
    }
    let preparation = try Preparation(
      graph, .standard, inputs: ["x": TensorType(.float32, [1, 8, 16, 16])], pool: ThreadPool(threads: 1))
    var tuning = try ConvolutionTuning(graph, prepared: [preparation])
    #expect(tuning.nodes == ["sums", "tile", "as it is", "noise"])
    // Seconds by way; those of the second round where they differ.
    let times: [String: ([Double], [Double])] = [
      "sums": ([3, 2, 4, 5], [3, 2.5, 4, 5]), "tile": ([3, 4, 2.5, 2], [3, 4, 2.5, 2.5]),
      "as it is": ([3, 2.99, 4, 4], [3, 2.99, 4, 4]), "noise": ([3, 3, 2, 3], [3, 3, 3, 3]),
    ]
    for (node, rounds) in times {
      for (round, times) in [rounds.0, rounds.1].enumerated() {
        for (way, time) in zip(ConvolutionTuning.ways, times) {
          // The least of several counts.
          for slower in [1, 0.0, 2] { tuning.add(time + slower, of: node, trying: way, round: round) }
        }
      }
    }
    var words: [String: String] = [:]
    for node in tuning.tuned(graph).nodes { words[node.name] = node.metadata["dsd.winograd"] }
    #expect(words == ["sums": "none", "tile": "=2x4", "told": "4x4"])
    #expect(tuning.tuned(graph).nodes.contains { $0.name == "sums" && $0.metadata["note"] == "kept" })
    #expect(
      tuning.text().contains(
        "2 of 4 convolutions are told how: 10000.000 ms for all of them where it was 12000.000"))
    for position in graph.nodes.indices { graph.nodes[position].metadata["dsd.winograd"] = "2x2" }
    #expect(throws: DataError.self) { try ConvolutionTuning(graph, prepared: [preparation]) }
    #expect(throws: DataError.self) { try ConvolutionTuning(graph, prepared: []) }
  }
}
