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

  /// Leaving a row out changes no other row's draw, unless something was drawn from it.
  @Test func drawsAreByRow() throws {
    let folder = try Fixtures.scratch()
    func write(_ lines: [String]) throws {
      try lines.joined(separator: "\n").write(toFile: "\(folder)/test.txt", atomically: true, encoding: .utf8)
    }
    let lines = (0..<40).map { "\($0).jpg*The question is asking about yes or no: is it \($0)? yes" }
    try write(lines)
    let all = try DatasetTests.read("vqa-binary", root: folder)
    #expect(all.count == 40)
    #expect(Set(all.map { Set($0.images.map(\.path)) }).count > 30)
    // Every image is drawn about as often.
    let drawn = Dictionary(grouping: all.flatMap { $0.images.dropFirst() }) { $0.path }.mapValues(\.count)
    #expect(drawn.count == 40 && drawn.values.allSatisfy { (1...22).contains($0) })
    var damaged = lines
    damaged[3] = "The question is asking about yes or no: without an image"
    try write(damaged)
    let rows = DatasetRows(skipsBad: true)
    let fewer = try DatasetTests.read("vqa-binary", root: folder, rows)
    #expect(rows.bad.map { $0.place.hasSuffix("test.txt:4") } == [true])
    #expect(fewer.count == 39)
    var same = 0
    for item in fewer {
      let whole = try #require(all.first { $0.id == item.id })
      if whole.images.map(\.path).contains("3.jpg") { continue }
      #expect(item == whole)
      same += 1
    }
    #expect(same > 15)
    try write(Array(lines.prefix(9)))
    #expect(message { try DatasetTests.read("vqa-binary", root: folder) }?.contains("ten are needed") == true)
  }

  /// Lines of CSV: quotes, empty lines, fields over several lines, and what is none.
  @Test func linesOfCSV() throws {
    let folder = try Fixtures.scratch()
    func write(_ rows: [String]) throws {
      try ([Self.comvgColumns.joined(separator: ",")] + rows).joined(separator: "\n")
        .write(toFile: "\(folder)/compositional_visual_genome.csv", atomically: true, encoding: .utf8)
    }
    try write([#"1,"a ""man""\#nsits",,,1,2,verb"#, "", "2,a man,,,3,4,verb", "3,a man,,,x,4,verb", ""])
    #expect(message { try DatasetTests.read("comvg", root: folder) }?.contains("csv:6: pos_image_id") == true)
    let rows = DatasetRows(skipsBad: true)
    let items = try DatasetTests.read("comvg", root: folder, rows)
    #expect(items.map(\.texts) == [["a \"man\"\nsits"], ["a man"]] && rows.bad.count == 1)
    try write(["1,a man,,,1,2,verb", #"2,a 12" pipe,,,1,2,verb"#])
    #expect(
      message { try DatasetTests.read("comvg", root: folder) }?.contains("csv:3: malformed CSV: ") == true)
  }

  /// One wrong caption that is the right one stays: a tie. Classes of one name are refused.
  @Test func equalCaptions() throws {
    let folder = try Fixtures.scratch()
    try FileManager.default.createDirectory(
      atPath: "\(folder)/data/Attribute/vg", withIntermediateDirectories: true)
    try #"[["1.jpg", {"POS": ["a car"], "NEG": ["a car"]}]]"#
      .write(toFile: "\(folder)/data/Attribute/vg/color.json", atomically: true, encoding: .utf8)
    #expect(try DatasetTests.read("vl-checklist", root: folder)[0].texts == ["a car", "a car"])
    let classes = try Fixtures.scratch("classes")
    for name in ["a_b", "a b"] {
      try FileManager.default.copyItem(
        atPath: "\(DatasetTests.root("imagefolder"))/bag", toPath: "\(classes)/\(name)")
    }
    #expect(
      message { try DatasetTests.read("imagefolder", root: classes) }?.contains(
        "the folders 'a b' and 'a_b' have the same name") == true)
  }

  /// A line that is no UTF-8 is a bad row like others, and nothing left is an error that tells the first.
  @Test func notUTF8() throws {
    let folder = try Fixtures.scratch()
    let good = try String(
      contentsOfFile: "\(DatasetTests.root("winoground"))/examples.jsonl", encoding: .utf8)
    try (Data(good.utf8) + Data([0x7B, 0xFF, 0x0A])).write(
      to: URL(fileURLWithPath: "\(folder)/examples.jsonl"))
    #expect(
      message { try DatasetTests.read("winoground", root: folder) }?.hasSuffix("jsonl:4: not UTF-8") == true)
    let rows = DatasetRows(skipsBad: true)
    #expect(try DatasetTests.read("winoground", root: folder, rows).count == 3 && rows.bad.count == 1)
    #expect(rows.nothing(in: "x").message.hasPrefix("x: no items; 1 bad rows, the first "))
  }
}
