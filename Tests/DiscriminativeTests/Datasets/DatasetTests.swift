import Discriminative
import Foundation
import TestSupport
import Testing

/// Miniatures of published datasets, in their published formats (`Tools/datasets/miniatures.py`), with metrics counted by
/// hand.
@Suite struct DatasetTests {
  static func root(_ name: String) -> String { Fixtures.path("datasets/\(name)") }

  static func read(
    _ name: String, root: String? = nil, _ rows: DatasetRows = DatasetRows(),
    _ change: (inout DatasetOptions) -> Void = { _ in }
  ) throws -> [EvaluationItem] {
    var options = DatasetOptions()
    change(&options)
    let root = root ?? self.root(name)
    return try Datasets.named(name)!.init(options).items(in: DatasetFolder(root, images: root), rows)
  }

  /// The table of items whose pairs score as `score` says.
  private func table(
    _ items: [EvaluationItem], _ score: (_ item: Int, _ image: Int, _ text: Int) -> Double
  ) throws -> EvaluationTable {
    try EvaluationTable(
      items.enumerated().map { number, item in
        var terms = MatchingTerms(
          images: item.images.count, texts: item.texts.count, timesteps: 1, layers: 1)
        // A caption's bias is the empty caption's error less its own.
        var errors = TermGrid([item.images.count, item.texts.count + 1, 1])
        for image in item.images.indices {
          for text in item.texts.indices { errors[image, text, 0] = -score(number, image, text) }
        }
        terms.errors = errors
        return (item, terms)
      }, choices: [ScoreChoice(terms: .bias)])
  }

  /// Accuracies by category, the whole first.
  private func accuracies(_ table: EvaluationTable) -> [String: Double] {
    var found: [String: Double] = [:]
    for group in table.groups {
      found[group.category ?? group.task] = group.directions[0].results[0]!.accuracy.value
    }
    return found
  }

  @Test(arguments: Datasets.all.map { $0.name }) func everyImageIsThere(_ name: String) throws {
    let source = try ImageSource(folder: Self.root(name))
    let items = try Self.read(name)
    #expect(Set(items.map(\.id)).count == items.count)
    for item in items {
      #expect(!item.place.isEmpty && !item.right.isEmpty)
      for image in item.images {
        let picture = try source.image(image)
        #expect(picture.width == 64 && picture.height == 64)
      }
    }
  }

  @Test func comvg() throws {
    let items = try Self.read("comvg")
    #expect(items.count == 6)
    #expect(items[0].texts == ["a white pullover above a red shirt"])
    #expect(items[0].images.map(\.path) == ["2350000.jpg", "2350001.jpg"])
    #expect(items[0].right == [.init(image: 0, text: 0)])
    #expect(items.map(\.category) == ["subject", "object", "verb", "subject", "object", "verb"])
    #expect(items[2].place.hasSuffix("compositional_visual_genome.csv:4"))
    // Verbs wrong, the second object a tie.
    let table = try table(items) { item, image, _ in
      item % 3 == 2 ? Double(image) : item == 4 ? 1 : -Double(image)
    }
    #expect(accuracies(table) == ["comvg": 0.5, "subject": 1, "object": 0.5, "verb": 0])
    #expect(table.groups.map(\.items) == [6, 2, 2, 2])
    #expect(table.groups[0].directions[0].results[0]!.ties == 1)
    #expect(table.groups[0].group == nil && table.groups[0].directions[0].results[0]!.allRight == nil)
  }

  @Test func vqaOther() throws {
    let items = try Self.read("vqa-other")
    #expect(items.map(\.texts.count) == [10, 10, 9])
    #expect(items[1].texts[0] == "What does the \"sign\" say, if any? white trousers")
    let odd = ["12:40", "at&t", "it's not", "a \"stop\" sign", "blue, white", "café", "1/2", "no 1", "#9"]
    #expect(Array(items[1].texts.dropFirst()) == odd.map { "What does the \"sign\" say, if any? \($0)" })
    #expect(items[0].images[0].path == "COCO_val2014_000000262100.jpg")
    // The right one is first, fourth, and last.
    let ranks = [1.0, 4, 9]
    let table = try table(items) { item, _, text in text == 0 ? -ranks[item] + 0.5 : -Double(text) }
    let result = table.groups[0].directions[0].results[0]!
    #expect(result.accuracy.value == 1.0 / 3 && result.recallAt5?.value == 2.0 / 3)
  }

  @Test func vqaBinary() throws {
    let items = try Self.read("vqa-binary")
    #expect(items.count == 12)
    for item in items {
      #expect(item.texts.count == 1 && item.images.count == 10 && Set(item.images).count == 10)
      #expect(item.texts[0].hasPrefix("is there a") || item.texts[0].hasPrefix("is there "))
    }
    #expect(items[1].images[0].path == "COCO_val2014_000000390201.jpg")
    // Drawn from a seed: the same again, others for another one, and row by row.
    #expect(try Self.read("vqa-binary") == items)
    #expect(try Self.read("vqa-binary") { $0.drawSeed = 1 } != items)
    // The rank of the right image is the item's number, ten at most.
    let table = try table(items) { item, image, _ in
      image == 0 ? -Double(min(item + 1, 10)) + 0.5 : -Double(image)
    }
    let section = table.groups[0].directions[0]
    #expect(section.direction == "images for a caption" && section.questions == 12)
    #expect(section.results[0]!.accuracy.value == 1.0 / 12)
    #expect(section.results[0]!.recallAt5?.value == 5.0 / 12)
  }

  @Test func refcocog() throws {
    let items = try Self.read("refcocog")
    // Eleven references of the split, one of them with two expressions.
    #expect(items.count == 12)
    #expect(items[0].images == items[1].images && items[0].texts[0] != items[1].texts[0])
    #expect(items[0].images[0].path == "train2014/COCO_train2014_000000500000.jpg")
    let own = Dictionary(grouping: items) { $0.images[0] }.mapValues { Set($0.map { $0.texts[0] }) }
    for item in items {
      #expect(item.texts.count == 10 && Set(item.texts).count == 10)
      // The wrong ones are expressions of other images of the split.
      for text in item.texts.dropFirst() {
        #expect(own.contains { $0.key != item.images[0] && $0.value.contains(text) })
      }
    }
    #expect(try Self.read("refcocog") { $0.drawSeed = 5 }.map(\.texts) != items.map(\.texts))
    #expect(throws: DataError.self) { try Self.read("refcocog") { $0.split = "test" } }
    let table = try table(items) { item, _, text in text == 0 ? -Double(item) : -Double(text) + 0.5 }
    // The right one is above all others for item 0 only, and among the first five up to item 4.
    let result = table.groups[0].directions[0].results[0]!
    #expect(result.accuracy.value == 1.0 / 12 && result.recallAt5?.value == 5.0 / 12)
  }

  @Test func winoground() throws {
    let items = try Self.read("winoground")
    #expect(items.map(\.category) == ["Relation", "Object", "Both"])
    #expect(items[1].images.map(\.path) == ["images/ex_1_img_0.png", "images/ex_1_img_1.png"])
    #expect(items[1].right == [.init(image: 0, text: 0), .init(image: 1, text: 1)])
    // All right; captions right and images not; images right and captions not.
    let scores: [[[Double]]] = [[[2, 1], [1, 2]], [[2, 1], [3, 4]], [[1, 2], [0, 3]]]
    let table = try table(items) { scores[$0][$1][$2] }
    let (text, image) = (table.groups[0].directions[0].results[0]!, table.groups[0].directions[1].results[0]!)
    #expect(text.accuracy.value == 5.0 / 6 && text.allRight?.value == 2.0 / 3)
    #expect(image.accuracy.value == 5.0 / 6 && image.allRight?.value == 2.0 / 3)
    #expect(table.groups[0].group?[0]?.value == 1.0 / 3)
    #expect(table.groups.dropFirst().map { $0.group?[0]?.value } == [1, 0, 0])
  }

  @Test func captionPairs() throws {
    let aro = try Self.read("aro")
    #expect(aro.map(\.task) == ["aro-relation", "aro-relation", "aro-attribution", "aro-attribution"])
    #expect(aro[0].images[0].region == .init(x: 16, y: 8, width: 64, height: 64))
    #expect(aro.map(\.category).filter { $0 == nil }.isEmpty)
    #expect(aro[2].category == "red_green")
    let sugar = try Self.read("sugarcrepe")
    #expect(
      sugar.map(\.category) == [
        "replace_obj", "replace_obj", "replace_rel", "replace_rel", "swap_att", "swap_att",
      ])
    let list = try Self.read("vl-checklist")
    #expect(
      list.map(\.category) == [
        "Attribute/vg/color", "Attribute/vg/color", "Relation/swig_action", "Relation/swig_action",
      ])
    #expect(
      list[0].images[0].path == "vg/VG_100K/2400110.jpg" && list[2].images[0].path == "swig/2400115.jpg")
    for item in aro + sugar + list {
      #expect(item.texts.count == 2 && item.right == [.init(image: 0, text: 0)])
    }
    // Every second one is wrong, but for the first category.
    let table = try table(sugar) { item, _, text in Double(item > 1 && item % 2 == 1 ? text : -text) }
    #expect(
      accuracies(table) == ["sugarcrepe": 4.0 / 6, "replace_obj": 1, "replace_rel": 0.5, "swap_att": 0.5])
  }

  @Test func imageFolder() throws {
    let items = try Self.read("imagefolder") { $0.templates = ["a photo of a {}.", "a {}"] }
    #expect(items.count == 12 && items[0].wordings == 2 && items[0].captions == 6)
    let names = ["bag", "boot", "coat", "dress", "sandal", "tee shirt"]
    #expect(items.map(\.category) == names.flatMap { [$0, $0] })
    #expect(items[0].texts == names.flatMap { ["a photo of a \($0).", "a \($0)"] })
    #expect(items[11].right == [.init(image: 0, text: 5)])
    // The mean over wordings decides: class c scores c, but the right one's wordings score 10 and −1.
    let table = try table(items) { item, _, text in
      let (kind, wording) = (text / 2, text % 2)
      return kind == item / 2 ? (wording == 0 ? 10 : -1) : Double(kind)
    }
    // 4.5 is above classes 0 to 4, and 5 above it: right for class 5 alone, second for the others.
    let result = table.groups[0].directions[0].results[0]!
    #expect(result.accuracy.value == 1.0 / 6 && result.recallAt5?.value == 1)
    #expect(accuracies(table)["tee shirt"] == 1 && accuracies(table)["bag"] == 0)

    let scratch = try Fixtures.scratch()
    let file = "\(scratch)/names.txt"
    try names.map { "\($0.replacing(" ", with: "_"))\tmy \($0)\n" }.joined()
      .write(toFile: file, atomically: true, encoding: .utf8)
    #expect(try Self.read("imagefolder") { $0.classNames = file }[0].texts[5] == "a photo of a my tee shirt.")
    try "bag a bag\n".write(toFile: file, atomically: true, encoding: .utf8)
    let error = #expect(throws: DataError.self) { try Self.read("imagefolder") { $0.classNames = file } }
    #expect(error?.message.contains("has no name for the folder 'boot'") == true)
  }
}
