import Discriminative
import Foundation
import TestSupport
import Testing

/// Files of the published sizes, and files that are wrong.
@Suite struct DatasetFileTests {
  private static func quoted(_ field: String) -> String {
    field.contains { ",\"\n".contains($0) } ? "\"" + field.replacing("\"", with: "\"\"") + "\"" : field
  }

  private static func write(_ rows: [[String]], _ name: String, ending: String = "\n", in folder: String)
    throws
  {
    try (rows.map { $0.map(quoted).joined(separator: ",") }.joined(separator: ending) + ending)
      .write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
  }

  private static let comvgColumns = [
    "id", "sentence", "pos_triplet", "neg_triplet", "pos_image_id", "neg_image_id", "neg_value",
  ]

  /// As many rows as the published file, in its proportions.
  @Test(arguments: ["\n", "\r\n"]) func comvgOfPublishedSize(_ ending: String) throws {
    let folder = try Fixtures.scratch()
    let kinds = [("object", 2584), ("subject", 1536), ("verb", 1280)].flatMap {
      Array(repeating: $0.0, count: $0.1)
    }
    let rows = kinds.enumerated().map { number, kind in
      [
        "\(number + 1)", "a man, \(number) of them, is \"sitting\"", "man,sit,table",
        "('dog', 'sit', 'table')",
        "\(2_300_000 + number)", "\(100 + number)", kind,
      ]
    }
    try Self.write([Self.comvgColumns] + rows, "compositional_visual_genome.csv", ending: ending, in: folder)
    let items = try DatasetTests.read("comvg", root: folder)
    #expect(items.count == 5400)
    let counts = Dictionary(grouping: items) { $0.category! }.mapValues(\.count)
    #expect(counts == ["object": 2584, "subject": 1536, "verb": 1280])
    #expect(items[5399].texts == ["a man, 5399 of them, is \"sitting\""])
    #expect(items[5399].images.map(\.path) == ["2305399.jpg", "5499.jpg"])
  }

  @Test func vqaOfPublishedSize() throws {
    let folder = try Fixtures.scratch()
    let odd = [
      "12:40", "at&t", "it's not", "\"stop\"", "blue, white", "don't walk", "la", "7 up", "t's", "1,000",
    ]
    let header = ["sentence", "pos_image_id"] + (1...9).map { "neg_sentence_\($0)" }
    let rows = (0..<1000).map { number in
      let answers = (0..<10).map { "Question \(number)? \(odd[(number + $0) % 10])" }
      return [answers[0], "\(number)"] + answers.dropFirst()
    }
    try Self.write([header] + rows, "vqa_text_test.csv", in: folder)
    let items = try DatasetTests.read("vqa-other", root: folder)
    #expect(items.count == 1000)
    for (item, row) in zip(items, rows) { #expect(item.texts == [row[0]] + row.dropFirst(2)) }
    #expect(items[999].images[0].path == "COCO_val2014_000000000999.jpg")
  }

  private func message(_ body: () throws -> [EvaluationItem]) -> String? {
    do {
      _ = try body()
      return nil
    } catch { return (error as? DataError)?.message }
  }

  @Test func wrongColumns() throws {
    let folder = try Fixtures.scratch()
    try Self.write([["id", "sentence", "pos_image_id"]], "compositional_visual_genome.csv", in: folder)
    let text = message { try DatasetTests.read("comvg", root: folder) }
    #expect(
      text?.hasSuffix(
        "compositional_visual_genome.csv: has no column neg_image_id, neg_value; its columns are id, sentence, pos_image_id"
      ) == true)
    #expect(
      message { try DatasetTests.read("winoground", root: folder) }?.hasSuffix(
        "has no examples.jsonl or data/examples.jsonl") == true)
    #expect(
      message { try DatasetTests.read("aro", root: folder) }?.contains("visual_genome_relation.json") == true)
  }

  /// One line with file and row; with a count instead, the other rows stay as they are.
  @Test func badRows() throws {
    let folder = try Fixtures.scratch()
    func row(_ number: String, _ image: String = "1", kind: String = "verb") -> [String] {
      [number, "a man sits", "", "", image, "2", kind]
    }
    try Self.write(
      [Self.comvgColumns, row("1"), row("2", "two"), ["3", "a man"], row("4"), row("5", kind: "")],
      "compositional_visual_genome.csv", in: folder)
    let text = message { try DatasetTests.read("comvg", root: folder) }
    #expect(
      text?.hasSuffix("compositional_visual_genome.csv:3: pos_image_id: 'two' is not a number of an image")
        == true)
    let rows = DatasetRows(skipsBad: true)
    #expect(try DatasetTests.read("comvg", root: folder, rows).map(\.id) == ["comvg/1", "comvg/4"])
    #expect(
      rows.bad.map(\.reason) == [
        "pos_image_id: 'two' is not a number of an image", "2 fields, the header has 7", "neg_value: empty",
      ])
    #expect(rows.bad.map { $0.place.suffix(6) } == [".csv:3", ".csv:4", ".csv:6"])

    try #"{"id": 1, "image_0": "a", "image_1": "b", "caption_0": "c"}"#.appending("\nnot JSON\n")
      .write(toFile: "\(folder)/examples.jsonl", atomically: true, encoding: .utf8)
    #expect(
      message { try DatasetTests.read("winoground", root: folder) }?.hasSuffix(
        "examples.jsonl:1: 'caption_1' is missing") == true)
    let skipped = DatasetRows(skipsBad: true)
    #expect(try DatasetTests.read("winoground", root: folder, skipped).isEmpty && skipped.bad.count == 2)
  }

  /// Leaving a row out changes no other row's draw.
  @Test func drawsAreByRow() throws {
    let folder = try Fixtures.scratch()
    let lines = (0..<20).map { "\($0).jpg*The question is asking about yes or no: is it \($0)? yes" }
    try lines.joined(separator: "\n").write(toFile: "\(folder)/test.txt", atomically: true, encoding: .utf8)
    let all = try DatasetTests.read("vqa-binary", root: folder)
    #expect(all.count == 20)
    #expect(Set(all.map { Set($0.images.map(\.path)) }).count > 10)
    try lines.prefix(9).joined(separator: "\n").write(
      toFile: "\(folder)/test.txt", atomically: true, encoding: .utf8)
    #expect(message { try DatasetTests.read("vqa-binary", root: folder) }?.contains("ten are needed") == true)
  }
}
