import CommandLineSupport
import Foundation
import TestSupport
import Testing

/// `--positions`, `--normalize` and `--pooling mass` as a person gives them.
@Suite struct AttentionOptionsTests {
  private struct Result: Decodable {
    let pooling, positions, normalize: String
    let attention: [[Double]]
  }

  private func run(_ graph: String, _ extra: [String]) throws -> Outcome {
    try Commands.run(
      "dsd-run",
      [
        graph, "--image", Fixtures.path("reference/sd15/image-a.png"), "--text", "a red dog", "--text",
        "two cats", "--timesteps", "500", "--score", "attention", "--json",
      ] + extra)
  }

  private func result(_ graph: String, _ extra: [String]) throws -> Result {
    let outcome = try run(graph, extra)
    #expect(outcome.code == 0, "\(outcome.errors)")
    return try JSONDecoder().decode(Result.self, from: Data(outcome.output.utf8))
  }

  @Test func options() throws {
    let graph = try Commands.importedCheckpoint("sd15") + "/graph.pb"
    let plain = try result(graph, ["--hook", "attn-score"])
    #expect([plain.pooling, plain.positions, plain.normalize] == ["logsumexp", "all", "none"])
    let flags = try result(
      graph, ["--hook", "attn-score", "--pooling", "mass", "--positions", "content", "--normalize", "noise"])
    #expect([flags.pooling, flags.positions, flags.normalize] == ["mass", "content", "noise"])
    // Masses lie in 0…1, their differences in −1…1.
    #expect(flags.attention[0].allSatisfy { abs($0) < 1 && $0 != 0 })
    let hook = try result(
      graph,
      [
        "--hook", "attn-score:pooling=mass,positions=content,normalize=noise", "--pooling", "max",
        "--normalize", "none",
      ])
    #expect(hook.attention == flags.attention)
    // One image less its own mean.
    let second = ["--image", Fixtures.path("reference/sd15/image-a.png")]
    let centred = try result(graph, ["--hook", "attn-score", "--normalize", "images"] + second)
    #expect(centred.attention.joined().allSatisfy { $0 == 0 })
  }

  @Test func refusals() throws {
    let graph = try Commands.importedCheckpoint("sd15") + "/graph.pb"
    let cases: [(arguments: [String], code: Int32, message: String)] = [
      (["--hook", "attn-score:normalize=images"], 64, "--normalize images: needs two images"),
      (["--hook", "attn-score", "--pooling", "mass"], 64, "--positions content"),
      (["--hook", "attn-score:positions=words"], 64, "positions is one of all, content, not 'words'"),
      (["--hook", "attn-score", "--normalize", "mean"], 64, "--normalize"),
      (["--hook", "attn-score", "--positions", "content", "--text", ""], 65, "no tokens of its own"),
    ]
    for (arguments, code, message) in cases {
      let outcome = try run(graph, arguments)
      #expect(outcome.code == code && outcome.errors.contains(message), "\(arguments): \(outcome.errors)")
    }
    for options in [["--positions", "content"], ["--normalize", "noise"], ["--pooling", "mass"]] {
      let bare = try Commands.run("dsd-run", [graph, "--hook", "attn-score", "--input", "x=x.npy"] + options)
      #expect(bare.code == 64 && bare.errors.contains("need --image and --text"), "\(bare.errors)")
    }
  }

  /// The sample runs captions together, and how many does not show in the last bit.
  @Test func captionsAtOnce() throws {
    let folder = "\(Fixtures.repository)/Graphs/sample"
    func run(_ extra: [String]) throws -> String {
      let texts = ["a red boot", "a green bag", "a coat", "two cats", "grass"].flatMap { ["--text", $0] }
      let outcome = try Commands.run(
        "dsd-run",
        [
          "\(folder)/graph.pb", "--image", "\(folder)/images/scene-1.png", "--hook", "attn-score",
          "--timesteps",
          "500", "--threads", "1", "--json",
        ] + texts + extra)
      #expect(outcome.code == 0, "\(outcome.errors)")
      return outcome.output
    }
    let one = try run(["--captions-at-once", "1"])
    for extra in [[], ["--captions-at-once", "2"], ["--captions-at-once", "5"]] {
      #expect(try run(extra) == one, "\(extra)")
    }
    let inspected = try Commands.run("dsd", ["inspect", "\(folder)/graph.pb"])
    #expect(inspected.output.contains(/, [3-8] captions at a time/))
  }
}
