import Foundation
import TestSupport
import Testing

@testable import Discriminative

@Suite struct ResultsFileTests {
  private let shape = TermShape(
    variants: [AttentionVariant(.max), AttentionVariant(.mass, .content)], hasErrors: true,
    hasEmptyCaption: true, hasPureNoise: true)

  private var header: ResultsHeader {
    ResultsHeader(
      graph: "g", weights: "w", timesteps: [5, 7], seed: 3, noise: nil, latent: "mean", officialCompat: false,
      score: "both", shape: shape, layers: ["x", "y", "z"])
  }

  private func grid(_ extents: [Int], _ random: inout Seeded) -> TermGrid {
    var grid = TermGrid(extents)
    for place in grid.values.indices { grid.values[place] = Double.random(in: -1e3...1e3, using: &random) }
    return grid
  }

  private func terms(_ images: Int, _ texts: Int, _ random: inout Seeded) -> MatchingTerms {
    var terms = MatchingTerms(images: images, texts: texts, timesteps: 2, layers: 3)
    terms.errors = grid([images, texts + 1, 2], &random)
    for variant in shape.variants {
      terms.attention[variant] = grid([images, texts, 2, 3], &random)
      terms.emptyCaption[variant] = grid(terms.emptyExtents(variant), &random)
      terms.pureNoise[variant] = grid([1, texts, 2, 3], &random)
    }
    return terms
  }

  private func item(_ id: String) throws -> EvaluationItem {
    EvaluationItem(id: id, task: "t", images: [try ImageReference("a")], texts: ["t"], right: [])
  }

  /// What is written is read back exactly, special numbers and odd ids too.
  @Test func roundTrip() throws {
    let path = try Fixtures.scratch() + "/r.jsonl"
    var random = Seeded(5)
    var first = terms(2, 3, &random)
    first.errors!.values[0] = .infinity
    first.errors!.values[1] = -.infinity
    first.errors!.values[2] = 0.1 + 0.2
    first.errors!.values[3] = 1e-308
    let second = terms(1, 1, &random)
    do {
      let file = try ResultsFile(path: path, wanted: header)
      try file.append(item("ä \"1\"\n/"), key: "k1", first)
      try file.append(item("2"), key: "k2", second)
    }
    let file = try ResultsFile(path: path, wanted: header)
    #expect(file.terms == ["k1": first, "k2": second])
    #expect(file.header == header)
    #expect(try ResultsFile.header(of: path) == header)
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    #expect(lines.count == 3)
    for line in lines { _ = try JSON(parsing: String(line)) }
  }

  @Test func twoRuns() throws {
    let path = try Fixtures.scratch() + "/r.jsonl"
    let file = try ResultsFile(path: path, wanted: header)
    #expect(throws: DataError("\(path): another run has the file")) {
      _ = try ResultsFile(path: path, wanted: header)
    }
    try file.sync()
  }

  /// Files that are something else are left as they are.
  @Test(arguments: [
    "notes\n", "no line end", "{\"format\":\"other\",\"version\":1}\n",
    "{\"format\":\"dsd-eval\",\"version\":2}\n", "\n",
  ])
  func foreignFile(_ content: String) throws {
    let path = try Fixtures.scratch() + "/r.jsonl"
    try content.write(toFile: path, atomically: true, encoding: .utf8)
    #expect(throws: DataError.self) { _ = try ResultsFile(path: path, wanted: header) }
    #expect(try String(contentsOfFile: path, encoding: .utf8) == content)
  }

  /// A damaged line in the middle is an error, at the end it is dropped.
  @Test func damagedLines() throws {
    let path = try Fixtures.scratch() + "/r.jsonl"
    var random = Seeded(6)
    do {
      let file = try ResultsFile(path: path, wanted: header)
      for key in ["a", "b"] { try file.append(item(key), key: key, terms(1, 1, &random)) }
    }
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
    let damaged = lines[2].replacingOccurrences(of: "[[[", with: "[[")
    try [lines[0], damaged, lines[1], ""].joined(separator: "\n").write(
      toFile: path, atomically: true, encoding: .utf8)
    #expect(throws: DataError("\(path):2: not a line of results")) {
      _ = try ResultsFile(path: path, wanted: header)
    }
    try [lines[0], lines[1], damaged, ""].joined(separator: "\n").write(
      toFile: path, atomically: true, encoding: .utf8)
    do {
      let file = try ResultsFile(path: path, wanted: header)
      #expect(Array(file.terms.keys) == ["a"])
    }
    #expect(
      try String(contentsOfFile: path, encoding: .utf8) == [lines[0], lines[1], ""].joined(separator: "\n"))
  }

  @Test func folders() throws {
    let folder = try Fixtures.scratch()
    #expect(throws: DataError.self) { _ = try ResultsFile(path: folder, wanted: header) }
    #expect(throws: DataError.self) { _ = try ResultsFile(path: "\(folder)/none/r.jsonl", wanted: header) }
    #expect(throws: DataError("/dev/null: not a regular file")) {
      _ = try ResultsFile(path: "/dev/null", wanted: header)
    }
  }
}
