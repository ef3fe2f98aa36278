import CommandLineSupport
import Foundation
import TestSupport
import Testing

/// `--hook attn-map` as a person runs it.
@Suite struct AttentionMapCommandTests {
  private struct Facts: Decodable {
    struct Word: Decodable {
      let text: String
      let positions: [Int]
    }
    let image, caption, positions, relative: String
    let words: [Word]
    let shape, timesteps: [Int]
    let layers: [String]
  }

  private func files(_ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  }

  private let pair = [
    "--image", Fixtures.path("reference/sd21base/image-a.png"), "--image",
    Fixtures.path("reference/sd21base/image-b.png"), "--text", "a red dog!", "--text", "two cats",
    "--timesteps",
    "100,600",
  ]

  @Test func sheetsAndArrays() throws {
    let graph = try Commands.importedCheckpoint("sd21base") + "/graph.pb"
    let out = try Fixtures.scratch() + "/deep/maps"
    let outcome = try Commands.run("dsd-run", [graph, "--hook", "attn-map:out=\(out)"] + pair)
    #expect(outcome.code == 0, "\(outcome.errors)")
    let names = (0..<2).flatMap { i in (0..<2).map { "image\(i)-text\($0)" } }
    #expect(try files(out) == names.flatMap { ["\($0).json", "\($0).npy", "\($0).png"] }.sorted())
    #expect(outcome.output.split(separator: "\n").map(String.init) == names.map { "\(out)/\($0).png" })

    let data = try Data(contentsOf: URL(fileURLWithPath: "\(out)/image1-text0.json"))
    let facts = try JSONDecoder().decode(Facts.self, from: data)
    #expect(facts.image == pair[3] && facts.caption == "a red dog!")
    #expect(facts.words.map(\.text) == ["a", "red", "dog", "!"])
    #expect(facts.words.first!.positions == [1] && facts.layers.count == 10 && facts.timesteps == [100, 600])
    let maps = try NPYFile.read(path: "\(out)/image1-text0.npy")
    #expect(maps.shape == facts.shape && maps.shape == [4, 8, 8] && maps.dtype == .float32)
    let sheet = try RGBImage(contentsOf: "\(out)/image1-text0.png")
    #expect(sheet.width > 5 * 192 && sheet.height > 256)
  }

  @Test func besideScores() throws {
    let graph = try Commands.importedCheckpoint("sd15") + "/graph.pb"
    let out = try Fixtures.scratch() + "/maps"
    let options =
      "out=\(out),png=words,layers=official,positions=content,relative=empty-caption,scale=sheet,size=96"
    let scored = try Commands.run(
      "dsd-run",
      [
        graph, "--hook", "attn-score:positions=content,pooling=max", "--hook", "attn-map:\(options)",
        "--json",
      ]
        + pair)
    #expect(scored.code == 0, "\(scored.errors)")
    struct Scores: Decodable { let scores: [[Double]] }
    #expect(try JSONDecoder().decode(Scores.self, from: Data(scored.output.utf8)).scores.count == 2)
    let pictures = try files(out).filter { $0.hasSuffix(".png") && $0.hasPrefix("image0-text0") }
    #expect(
      pictures == [
        "image0-text0-word0-a.png", "image0-text0-word1-red.png", "image0-text0-word2-dog.png",
        "image0-text0-word3.png",
      ])
    let picture = try RGBImage(contentsOf: "\(out)/image0-text0-word1-red.png")
    #expect(max(picture.width, picture.height) == 96)
    let facts = try JSONDecoder().decode(
      Facts.self, from: Data(contentsOf: URL(fileURLWithPath: "\(out)/image0-text1.json")))
    #expect(facts.layers.count == 4 && facts.relative == "empty-caption" && facts.positions == "content")
  }

  @Test func refusals() throws {
    let graph = try Commands.importedCheckpoint("sd15") + "/graph.pb"
    let out = try Fixtures.scratch() + "/maps"
    let cases: [(arguments: [String], code: Int32, message: String)] = [
      (["--hook", "attn-map"] + pair, 64, "'out=…' is missing"),
      (["--hook", "attn-map:out=\(out),size=3"] + pair, 64, "64 to 2048"),
      (["--hook", "attn-map:out=\(out),scale=log"] + pair, 64, "scale is one of word, sheet"),
      (["--hook", "attn-map:out=\(out)", "--hook", "attn-map:out=\(out)"] + pair, 64, "given twice"),
      (["--hook", "attn-map:out=\(out)"], 64, "needs --image and --text"),
      (["--hook", "attn-map:out=\(out)"] + pair + ["--text", ""], 65, "has no words"),
      (["--hook", "attn-map:out=\(graph)/maps"] + pair, 65, "cannot be written"),
      (["--hook", "attn-map:out=\(out),layers=nothing*"] + pair, 65, "no cross-attention layer matches"),
    ]
    for (arguments, code, message) in cases {
      let outcome = try Commands.run("dsd-run", [graph] + arguments)
      #expect(outcome.code == code && outcome.errors.contains(message), "\(arguments): \(outcome.errors)")
    }
    #expect(!FileManager.default.fileExists(atPath: out))
  }
}
